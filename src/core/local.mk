# Sources of src/core.
