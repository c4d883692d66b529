# Sources of src/ctl.
