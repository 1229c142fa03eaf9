"""The domain: what a directory tells us and what follows from it. Pure values and functions, no I/O."""
