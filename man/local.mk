# Manual pages.
dist_man_MANS += %D%/meshpipe-pipeline.5
