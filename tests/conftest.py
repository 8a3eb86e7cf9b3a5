"""Fixtures shared by all tests live in tests/support, one module for each neighbour of the system."""

import signal

pytest_plugins = [
    "tests.support.broker",
    "tests.support.cluster",
    "tests.support.sandbox",
    "tests.support.message_page",
    "tests.support.browser",
    "tests.support.driver_worlds",
    "tests.sandbox.page.raw_page",
    "tests.support.wire",
    "tests.support.dispatching",
]

# A shell that runs the tests in the background has Ctrl-C ignored, in whatever they start as well.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
