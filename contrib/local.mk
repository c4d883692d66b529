# Examples, schema, service files.
