"""Faults that last long, accelerated, in a real browser on the simulated page: a sender waits, and loses nothing.

`make chaos` runs it. A page that gets no further is stuck after two seconds here (five minutes otherwise),
an ack is late after one (twenty), and the page waits for six seconds at most between two attempts to
connect (fifteen minutes). All tests share one linked sender, whose messages come from the test.
"""

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest
import pytest_asyncio

from streams.domain.phone.events import Deferred, ReceiptSeen, Result, Sent
from streams.sender.attempts.submitter import Limits
from streams.whatsapp.driver import Phase, SessionState
from streams.whatsapp.web import media
from streams.whatsapp.web.recovery_policy import RecoverySettings
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.chaos.support.browser_sender import Dispatcher, running
from tests.sender.fast import FastSender
from tests.support.browser import make_browser_config
from tests.support.sandbox import Sandbox, SandboxControl, run_sandbox
from tests.support.verdict import judge
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]

STUCK_TIMEOUT_S = 2.0
ACK_TIMEOUT_S = 1.0
OUTAGE_S = 25.0
PAGE_REASONS = {"page_stuck", "page_hung", "page_lost", "page_navigated", "page_reloaded"}
RECOVERY = RecoverySettings(
    max_failures=3, backoff_base_s=0.01, backoff_max_s=0.1, stuck_timeout_s=STUCK_TIMEOUT_S
)
FILE = {
    "type": "document",
    "data": base64.b64encode(b"%PDF any bytes").decode(),
    "mime": "application/pdf",
    "filename": "bill.pdf",
}


@pytest.fixture(scope="module")
def slow_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox whose page backs off as the real one does, up to six seconds."""
    with run_sandbox(tmp_path_factory.mktemp("sandbox"), "--set=max_reconnect_s=6") as (box, _):
        yield box


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sender(
    slow_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FastSender]:
    """The module's sender, linked once."""
    profile = tmp_path_factory.mktemp("profiles") / "main"
    driver = WhatsAppWeb(make_browser_config(slow_sandbox.browser_args, profile, recovery=RECOVERY))
    sender = FastSender(
        driver=driver,  # pyright: ignore[reportArgumentType]
        limits=Limits(ack_timeout_s=ACK_TIMEOUT_S, lease_s=30.0),
    )
    async with running(sender, SandboxControl(slow_sandbox.control_url)):
        yield sender


@pytest_asyncio.fixture(loop_scope="module")
async def control(slow_sandbox: Sandbox, sender: FastSender) -> AsyncIterator[SandboxControl]:
    """A client of the sandbox, once the sender is ready; afterwards nobody was shown anything twice."""
    control = SandboxControl(slow_sandbox.control_url)
    await wait_until(lambda: sender.session.state.phase is Phase.READY)
    await control.set_mark()
    sender.session_states.clear()
    yield control
    await control.clear_faults()
    assert judge(await control.fetch_log()).duplicates == []


@pytest.fixture
def dispatcher(sender: FastSender) -> Dispatcher:
    """The test's dispatcher."""
    return Dispatcher(sender)


async def send(dispatcher: Dispatcher, phone: str, text: str) -> Result:
    """Dispatch until there is a final result."""
    await dispatcher.send(phone, text)
    return dispatcher.results[text]


def reasons_of(states: list[SessionState]) -> set[str]:
    """Every reason that the session had."""
    return {state.reason for state in states if state.reason}


async def count_shown(control: SandboxControl, text: str) -> int:
    """How often a phone showed this text."""
    return sum(row["shown"] for row in await control.fetch_log() if row["body"] == text)


async def wait_for_phase(sender: FastSender, phase: Phase, timeout_s: float = 60.0) -> float:
    """Await this phase; returns when it came, in seconds of the monotonic clock."""
    await wait_until(lambda: sender.session.state.phase is phase, timeout_s=timeout_s)
    return time.monotonic()


async def test_the_socket_is_down_for_long(
    sender: FastSender, control: SandboxControl, dispatcher: Dispatcher
) -> None:
    """Twelve times the time after which a page is stuck: it waits, and no page is replaced."""
    started_s = time.monotonic()
    await control.add_faults({"socket_down_s": OUTAGE_S})
    await wait_for_phase(sender, Phase.RECONNECTING)
    held = await dispatcher.dispatch("+60120000001", "held/1", 1)
    assert isinstance(held, Deferred)
    assert await wait_for_phase(sender, Phase.READY) - started_s >= OUTAGE_S - 1
    phases = [state.phase for state in sender.session_states]
    assert phases.count(Phase.READY) == 1
    assert reasons_of(sender.session_states) == {"disconnected"}
    assert isinstance(await send(dispatcher, "+60120000001", "after/1"), Sent)
    assert await count_shown(control, "held/1") == 0


async def test_a_start_without_a_connection(
    sender: FastSender, control: SandboxControl, dispatcher: Dispatcher
) -> None:
    """The page loads and its socket never opens: it is left alone until the server answers."""
    await control.add_faults({"socket_down_s": OUTAGE_S})
    assert sender.session.driver is not None
    await sender.session.driver.stop()
    await wait_until(lambda: sender.session.state.reason == "disconnected")
    seen = len(sender.session_states)
    assert sender.session.state.phase is Phase.RECONNECTING
    await wait_for_phase(sender, Phase.READY)
    assert not reasons_of(sender.session_states[seen:]) & PAGE_REASONS
    assert isinstance(await send(dispatcher, "+60120000001", "after/2"), Sent)


async def test_a_long_offline_delivery(
    sender: FastSender, control: SandboxControl, dispatcher: Dispatcher
) -> None:
    """Its percentage grows all the time, so the page is not stuck; messages wait for its end."""
    await control.add_faults({"offline_delivery_ms": int(OUTAGE_S * 1000)}, count=1)
    await control.add_faults({"drop_socket": True})
    await wait_for_phase(sender, Phase.SYNCING)
    held = await dispatcher.dispatch("+60120000001", "held/3", 1)
    assert isinstance(held, Deferred)
    await wait_for_phase(sender, Phase.READY)
    progress = [state.progress for state in sender.session_states if state.progress]
    assert progress == sorted(progress)
    assert len(set(progress)) > 10
    assert not reasons_of(sender.session_states) & PAGE_REASONS
    assert isinstance(await send(dispatcher, "+60120000001", "after/3"), Sent)
    assert await count_shown(control, "held/3") == 0


async def test_ack_and_receipt_come_late(
    sender: FastSender, control: SandboxControl, dispatcher: Dispatcher
) -> None:
    """More than twice the time for an ack: the message is in doubt, others go on, and it was sent once."""
    delays = {"ack_delay_ms": int(2250 * ACK_TIMEOUT_S), "receipt_delay_ms": 1000}
    await control.add_faults(delays, number="+60120000004", count=1)
    first = await dispatcher.dispatch("+60120000004", "late/4", 1)
    assert isinstance(first, Deferred)
    assert first.in_doubt
    assert isinstance(await send(dispatcher, "+60120000005", "other/4"), Sent)
    await wait_until(lambda: "sent" in _receipts(sender, "late/4"))
    await wait_until(lambda: "delivered" in _receipts(sender, "late/4"))
    assert isinstance(await dispatcher.dispatch("+60120000004", "late/4", 2), Sent)
    assert await count_shown(control, "late/4") == 1
    assert not reasons_of(sender.session_states) & PAGE_REASONS


def _receipts(sender: FastSender, request_id: str) -> list[str]:
    return [e.receipt for e in sender.events if isinstance(e, ReceiptSeen) and e.id == request_id]


async def test_an_upload_hangs(
    sender: FastSender,
    control: SandboxControl,
    dispatcher: Dispatcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is cancelled, the later messages to the same chat go on, and the file is sent by another attempt."""
    monkeypatch.setitem(media.UPLOAD_BASE_S, "document", 1.0)
    await control.add_faults({"upload_hangs": True}, count=1)
    phone, name = "+60120000006", "file/5"
    sending = asyncio.create_task(dispatcher.send(phone, name, content=orjson.dumps(FILE)))
    await asyncio.sleep(0.2)  # the file comes first
    assert isinstance(await send(dispatcher, phone, "text/5"), Sent)
    await sending
    assert isinstance(dispatcher.results[name], Sent)
    assert dispatcher.repeats["media_upload_failed"] == 1
    kinds = [row["type"] for row in await control.fetch_new_messages()]
    assert sorted(kinds) == ["document", "text"]


async def test_a_reload_while_an_ack_is_missing(
    sender: FastSender, control: SandboxControl, dispatcher: Dispatcher
) -> None:
    """Nothing sends such a row by itself (source: WAWebGetMsgUpdatesActionsUtils): it is resent, and shown once."""
    await control.add_faults({"ack_lost": True, "receipt_delay_ms": 20_000}, count=1)
    first = await dispatcher.dispatch("+60120000007", "reload/6", 1)
    assert isinstance(first, Deferred)
    assert first.in_doubt
    tab = await _find_tab(sender)
    with contextlib.suppress(Exception):  # the driver may replace the page meanwhile
        await tab.reload()
    await wait_until(lambda: len(sender.session_states) > 1)
    await wait_for_phase(sender, Phase.READY)
    assert isinstance(await send(dispatcher, "+60120000007", "reload/6"), Sent)
    assert [row["shown"] for row in await control.fetch_new_messages()] == [True, False]


async def _find_tab(sender: FastSender) -> Any:
    driver: Any = sender.session.driver  # its submits are counted by a driver around it
    return driver._require_page()._tab


async def test_a_second_window_on_the_profile(
    sender: FastSender, control: SandboxControl, dispatcher: Dispatcher
) -> None:
    """It takes the session (source: WAWebAppMutexCore), which does not come back when it is closed.

    So the account waits for a person, who restarts the sender.
    """
    tab = await _find_tab(sender)
    other = await tab.context.new_page()
    await other.goto(tab.url)
    await wait_for_phase(sender, Phase.RESTRICTED)
    assert sender.session.state.reason == "replaced"
    held = await dispatcher.dispatch("+60120000008", "held/7", 1)
    assert isinstance(held, Deferred)
    assert held.error.code == "account_restricted"
    await other.close()
    await asyncio.sleep(STUCK_TIMEOUT_S)
    assert sender.session.state.phase is Phase.RESTRICTED
    assert not reasons_of(sender.session_states) & PAGE_REASONS
    assert sender.session.driver is not None
    await sender.session.driver.stop()
    await wait_for_phase(sender, Phase.READY)
    assert isinstance(await send(dispatcher, "+60120000008", "window/7"), Sent)
    assert await count_shown(control, "held/7") == 0
