"""The commands: each parses, builds, calls and prints."""
