"""The systems that follow the directory: their APIs as they are, typed."""
