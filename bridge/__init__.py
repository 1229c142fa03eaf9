"""The Directory Bridge: a GitBook organisation that follows its directory."""
