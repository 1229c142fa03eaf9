"""Telling people what needs them: what holds now, what was said of it, and how it is said."""
