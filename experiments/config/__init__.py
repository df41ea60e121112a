"""The config file: its schema and the objects it describes."""
