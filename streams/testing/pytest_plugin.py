"""Fixtures of pytest for programs that send with wa-streams. pytest finds them once `wa-streams[testing]` is installed.

    def test_an_order_is_confirmed(wa_streams):
        with wa_streams.connect() as whatsapp:
            confirm_order(whatsapp, phone="+60123456789")
        (message,) = wa_streams.wait_for_messages("+60123456789")
        assert message["body"] == "Your order is confirmed"

Only pytest is imported here: a test run that does not use the fixtures pays nothing.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from streams.testing.sandbox_stack import SandboxStack


@pytest.fixture(scope="session")
def wa_streams_settings() -> Mapping[str, str]:
    """Settings of the service, such as `{"WA_MAX_QUEUE": "5"}`. Override this fixture in your conftest.py."""
    return {}


@pytest.fixture(scope="session")
def wa_streams(
    wa_streams_settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[SandboxStack]":
    """The whole service with a simulated WhatsApp, for the whole test run. Starts in about 15 seconds.

    Tests share it, so give each test a recipient of its own.
    """
    from streams.testing.sandbox_stack import SandboxStack

    with SandboxStack(tmp_path_factory.mktemp("wa-streams"), wa_streams_settings) as stack:
        yield stack
