# Manual pages.
dist_man_MANS += %D%/meshpipe-pipeline.5 %D%/mpnode.8
