"""The real broker for tests."""
