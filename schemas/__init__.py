"""The wire: every record that users meet. Imports nothing of `streams`."""
