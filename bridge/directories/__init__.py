"""The directories' own APIs, for what their events do not tell."""
