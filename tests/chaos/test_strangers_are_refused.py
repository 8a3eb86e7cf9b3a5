"""WhatsApp's server refuses every tenth stranger with 463 or 475, in a real browser on the simulated page.

`make chaos` runs it and prints its figures. CHAOS_STRANGERS (100) sets its size. A restriction lasts 24
hours, or until the end that WhatsApp tells; here three seconds.
"""

import os
import time
from pathlib import Path

import pytest

from streams.domain.accounts import restriction
from streams.domain.errors import ErrorClass
from streams.domain.phone.events import Deferred, Failed, Sent
from streams.sender.attempts.submitter import Limits
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.chaos.support.browser_sender import Dispatcher, id_of, running
from tests.sender.fast import FastSender
from tests.support.browser import make_browser_config
from tests.support.sandbox import Sandbox, SandboxControl
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.browser, pytest.mark.timeout(600)]

STRANGERS = int(os.environ.get("CHAOS_STRANGERS", "100"))
FRIEND = "+60129999999"
RESTRICTION_S = 3.0
CODES = {463: "reachout_timelocked", 475: "new_chats_capped"}


async def test_every_tenth_stranger_is_refused(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused message is never repeated, and while the account is restricted no other stranger is tried."""
    monkeypatch.setattr(restriction, "RESTRICTION_DURATION_S", RESTRICTION_S)
    control, started_s = SandboxControl(sandbox.control_url), time.monotonic()
    driver = WhatsAppWeb(make_browser_config(sandbox.browser_args, tmp_path / "main"))
    sender = FastSender(
        driver=driver,  # pyright: ignore[reportArgumentType]
        limits=Limits(ack_timeout_s=5.0, lease_s=30.0),
    )
    dispatcher, refused = Dispatcher(sender), 0
    async with running(sender, control):
        [account] = (await control.fetch_overview()).accounts
        await control.write_to_account(FRIEND, account.phone, "hello")
        for number in range(STRANGERS):
            phone = f"+6012{number:07}"
            if number % 10 == 9:
                server_code = (463, 475)[refused % 2]
                refused += 1
                await _refuse(dispatcher, control, phone, server_code)
            else:
                assert isinstance(await dispatcher.dispatch(phone, f"stranger/{number}", 1), Sent)
        events = await control.fetch_events()
    kinds = [row["event"] for row in events]
    print(
        f"\n{STRANGERS} strangers in {time.monotonic() - started_s:.0f} s: {kinds.count('message')}"
        f" messages arrived, {kinds.count('refused')} were refused, each once",
        flush=True,
    )
    assert kinds.count("refused") == refused
    assert kinds.count("message") == STRANGERS  # without the refused ones, with the friend's


async def _refuse(
    dispatcher: Dispatcher, control: SandboxControl, phone: str, server_code: int
) -> None:
    """Refused: this stranger's message fails, the next stranger's is held back, the friend's is sent."""
    await control.add_faults({"send_error": server_code}, number=phone, count=1)
    text, other = f"refused/{phone}", "+60128888888"
    result = await dispatcher.dispatch(phone, text, 1)
    assert isinstance(result, Failed)
    assert result.error.error_class is ErrorClass.RESTRICTED
    assert result.error.code == CODES[server_code]
    again = await dispatcher.dispatch(phone, text, 2)
    held = await dispatcher.dispatch(other, f"held/{phone}", 1)
    sent = await dispatcher.dispatch(FRIEND, f"friendly/{phone}", 1)
    assert not isinstance(again, Sent)
    assert isinstance(held, Deferred)
    assert held.error.code == "new_chats_restricted"
    assert isinstance(sent, Sent)
    ids = [row["whatsapp_id"] for row in await control.fetch_events() if "whatsapp_id" in row]
    assert id_of(other, f"held/{phone}") not in ids
    assert ids.count(id_of(phone, text)) == 1
    await wait_until(lambda: _is_free(dispatcher.sender))


def _is_free(sender: FastSender) -> bool:
    """Whether the account may open new chats again. The sender's clock stands still between two tests of it."""
    sender.now_s = max(sender.now_s, time.time())
    return sender.new_chats.get_block(sender.now_s) is None
