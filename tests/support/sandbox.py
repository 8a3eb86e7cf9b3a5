"""The sandbox process for tests."""
