"""Fixtures shared by all tests live in tests/support, one module per edge of the system."""

pytest_plugins: list[str] = []
