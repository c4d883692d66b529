# Manual pages.
dist_man_MANS += %D%/meshpipe-pipeline.5 %D%/mpctl.1 %D%/mpnode.8
