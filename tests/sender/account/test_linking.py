"""An account in a real page: linked by pairing code, linked with a wrong phone, logged out by a person."""

import pytest

from streams.contract.account import AccountRecord
from streams.domain.phone.events import Deferred, Sent
from streams.operations import account_requests
from streams.operations.errors import CommandFailed
from streams.operations.linking import link as linking
from streams.operations.linking.answers import wait_until_applied
from tests.sender.conftest import ACCOUNT, SenderHarness, get_settings
from tests.support.browser import SandboxControl

pytestmark = [pytest.mark.broker, pytest.mark.browser]

OWN, OTHER = "+905550000007", "+905550000099"


class Phone:
    """The phone that a person holds before the screen."""

    def __init__(self, control: SandboxControl, number: str) -> None:
        self._control = control
        self._number = number
        self.states: list[tuple[str, str | None]] = []

    async def show_code(self, qr: str) -> None:
        """Scan it."""
        await self._control.scan(qr, self._number)

    async def show_pairing_code(self, code: str) -> None:
        """Type it in."""
        await self._control.enter_pairing_code(code, self._number)

    def show_state(self, record: AccountRecord) -> None:
        """Remember it."""
        self.states.append((record.state, record.reason))


async def link(harness: SenderHarness, number: str, *, by_code: bool = False) -> AccountRecord:
    """`accounts link`, with this phone in the person's hand."""
    settings = get_settings(harness)
    phone = number if by_code else None
    await linking.request_link(settings, ACCOUNT, timeout_s=60, pairing_phone=phone)
    listener = Phone(harness.control, number)
    return await linking.wait_until_linked(
        settings, ACCOUNT, listener, timeout_s=60, is_by_pairing_code=by_code
    )


async def test_an_account_keeps_its_number(own_harness: SenderHarness) -> None:
    """A pairing code links it; after a logout, a wrong phone sends nothing until it is confirmed."""
    harness, settings = own_harness, get_settings(own_harness)
    harness.system.start_sender()
    assert (await link(harness, OWN, by_code=True)).phone == OWN
    sent = await harness.dispatch("a", "+60123456701")
    assert isinstance(await harness.wait_for_result(sent), Sent)

    request = await account_requests.request_state(settings, ACCOUNT, "logged_out")
    record = await wait_until_applied(settings, request, timeout_s=30, state="logged_out")
    assert record is not None
    assert (record.state, record.reason, record.qr) == ("logged_out", "requested", None)

    with pytest.raises(CommandFailed, match="other_number"):
        await link(harness, OTHER)
    deferred = await harness.dispatch("b", "+60123456702")
    result = await harness.wait_for_result(deferred)
    assert isinstance(result, Deferred)
    assert result.error.code == "not_logged_in"
    assert await harness.fetch_stanzas("b") == []

    await linking.confirm_number(settings, ACCOUNT, OTHER)
    await harness.wait_for_state("ready", phone=OTHER, linked_phone=OTHER)
    again = await harness.dispatch("b", "+60123456702", dispatch_number=2)
    assert isinstance(await harness.wait_for_result(again), Sent)
