"""Fixtures shared by all tests live in tests/support, one module for each neighbour of the system.

`make test` runs the tests in several processes (pytest-xdist). Each process has its own broker, sandbox,
browsers and folders; a file runs in one process, so that its tests can share a fixture.
"""

import signal

import hypothesis
import pytest

pytest_plugins = [
    "tests.support.broker",
    "tests.support.cluster",
    "tests.support.sandbox",
    "tests.support.pages.message_page",
    "tests.support.browser",
    "tests.support.pages.driver_worlds",
    "tests.sandbox.page.raw_page",
    "tests.support.pages.wire",
    "tests.support.dispatching",
]

# A shell that runs the tests in the background has Ctrl-C ignored, in whatever they start as well.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A deadline would measure the load of the machine.
hypothesis.settings.register_profile(
    "tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several processes, slow files come first, so that the processes end at the same time."""
    if not hasattr(config, "workerinput"):
        return
    slow_files = {item.path for item in items if _is_slow(item)}
    items.sort(key=lambda item: item.path not in slow_files)  # stable: a file stays together


def _is_slow(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("broker", "browser"))
