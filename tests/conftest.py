"""Fixtures shared by all tests live in tests/support, one module for each neighbour of the system.

`make test` runs the tests in several processes (pytest-xdist). Each process has its own broker, sandbox,
browsers and folders; a file runs in one process, so that its tests can share a fixture.
"""

import os
import signal
import sys

import hypothesis
import pytest
from _pytest.capture import CaptureManager
from _pytest.faulthandler import fault_handler_stderr_fd_key

from streams.runtime import exit_codes, watchdog
from streams.runtime.exit_codes import ExitCode

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


def pytest_configure(config: pytest.Config) -> None:
    """An app under test may end this process at once, and its log with it: the reason passes the capture."""
    log_exit, capture = exit_codes.log_exit, _get_capture(config)

    def log_and_print(code: ExitCode, reason: str) -> None:
        log_exit(code, reason)
        test = os.environ.get("PYTEST_CURRENT_TEST")
        with capture.global_and_fixture_disabled():
            print(
                f"\n{test} ended its process: {reason} ({code.name})", file=sys.stderr, flush=True
            )

    exit_codes.log_exit = log_and_print
    if fault_handler_stderr_fd_key in config.stash:  # a copy from before the capture
        watchdog.stderr_descriptor = config.stash[fault_handler_stderr_fd_key]


def _get_capture(config: pytest.Config) -> CaptureManager:
    capture = config.pluginmanager.getplugin("capturemanager")
    assert isinstance(capture, CaptureManager)
    return capture


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several processes, slow files come first, so that the processes end at the same time."""
    if not hasattr(config, "workerinput"):
        return
    slow_files = {item.path for item in items if _is_slow(item)}
    items.sort(key=lambda item: item.path not in slow_files)  # stable: a file stays together


def _is_slow(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("broker", "browser"))
