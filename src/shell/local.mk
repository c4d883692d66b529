# Sources of src/shell.
