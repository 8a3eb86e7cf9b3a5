"""The decisions of wa-streams: pure, without clock, randomness or I/O. Imports nothing else of this project."""
