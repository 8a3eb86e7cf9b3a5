"""Finds and fetches what the driver needs on a machine: the wa-js bundle and a Chromium."""
