"""The demonstration: its script, its judge and its screen."""
