"""The command line, one module per noun. Each is imported when it is used, so that help stays quick."""
