"""From what the directory wants and what the target has to the changes between. Pure functions, no I/O."""
