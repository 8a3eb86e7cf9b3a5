"""Fixtures shared by all tests live in tests/support, one module per edge of the system."""

pytest_plugins = [
    "tests.support.broker",
    "tests.support.sandbox",
    "tests.support.browser",
    "tests.support.dispatching",
]
