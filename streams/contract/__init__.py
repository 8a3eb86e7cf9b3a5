"""The wire in Python: every record that users meet, read and written. Imports nothing else of this project."""
