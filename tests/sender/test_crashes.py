"""Any process may die while a message is sent: the recipient gets it once, or it is not reported as sent."""

import signal
import time

import aiohttp
import msgspec
import psutil
import pytest

from streams.contract import inbound
from streams.domain.phone.events import Deferred, InboundSeen, OutcomeUnknown, Sent
from streams.domain.sending.command import SendCommand
from streams.runtime.exit_codes import ExitCode
from tests.sender.conftest import ACCOUNT, SenderHarness, get_settings
from tests.support.system import Worker
from tests.support.waiting import wait_until
from tests.support.whatsapp import link_account

MAX_DISPATCHES = 10
pytestmark = [pytest.mark.broker, pytest.mark.browser]


def browser_of(harness: SenderHarness) -> psutil.Process:
    """The main process of the account's browser: the only one without a type."""
    profile = f"--user-data-dir={get_settings(harness).data_dir / 'profiles' / ACCOUNT}"
    [browser] = [
        process
        for process in psutil.process_iter(["cmdline"])
        if profile in (line := process.info["cmdline"] or [])
        and not any(part.startswith("--type=") for part in line)
    ]
    return browser


async def wait_until_sent(harness: SenderHarness, send: SendCommand) -> None:
    """Its result, and as the dispatcher would: a message that a slow start has deferred is dispatched again."""
    for _ in range(MAX_DISPATCHES):
        result = await harness.wait_for_result(send)
        if not isinstance(result, Deferred):
            break
        await harness.wait_for_state("ready")
        send = msgspec.structs.replace(send, dispatch_number=send.dispatch_number + 1)
        await harness.dispatch_again(send)
    assert isinstance(result, Sent), harness.find_outcomes(send.id)


async def test_the_browser_dies_under_a_submit(crash_harness: SenderHarness) -> None:
    """The sender reconciles when the browser is back: the message was sent, and is shown once."""
    harness = crash_harness
    await harness.control.post("/faults", {"ack_delay_ms": 2500, "count": 1})
    send = await harness.dispatch("browser", "+60120000001")
    await harness.wait_for_stanza("browser")
    browser_of(harness).kill()
    assert isinstance(await harness.wait_for_result(send), Sent)
    assert await harness.count_shown("browser") == 1
    assert isinstance(
        await harness.wait_for_result(await harness.dispatch("next", "+60120000001")), Sent
    )


async def dispatch_four(harness: SenderHarness, name: str, number: str) -> list[SendCommand]:
    """Messages to four recipients; the page has sent the first, and waits for its ack."""
    sends = [
        await harness.dispatch(f"{name}-{n}", f"+{number}{n}", chat_id=f"{number}{n}@c.us")
        for n in range(4)
    ]
    await harness.wait_for_stanza(f"{name}-0")
    return sends


async def test_the_browser_dies_with_messages_ahead(crash_harness: SenderHarness) -> None:
    """What waited in the page for its turn is looked for like what was submitted: each is shown once."""
    harness = crash_harness
    await harness.control.post("/faults", {"ack_delay_ms": 900, "count": 1})
    sends = await dispatch_four(harness, "ahead", "6012000001")
    browser_of(harness).kill()
    for send in sends:
        await wait_until_sent(harness, send)
        assert await harness.count_shown(send.id) == 1


async def test_the_sender_dies_between_claim_and_outcome(crash_harness: SenderHarness) -> None:
    """The next process finds the claim and reconciles it; the record is neither lost nor sent again."""
    harness = crash_harness
    await harness.control.post("/faults", {"ack_delay_ms": 1500, "count": 1})
    send = await harness.dispatch("sender", "+60120000001")
    await harness.wait_for_stanza("sender")
    harness.system.workers[0].kill()
    assert harness.find_outcomes("sender") == []
    harness.system.start_sender()
    assert isinstance(await harness.wait_for_result(send), Sent)
    assert await harness.count_shown("sender") == 1


async def test_messages_to_the_account_survive_a_dead_sender(crash_harness: SenderHarness) -> None:
    """What arrives before, while and after the sender is dead is on `wa.inbound`, in order, with its file."""
    harness, writers = crash_harness, ("+60120000007", "+60120000008")
    topic = harness.caller.follow(harness.caller.names.inbound)
    to = (
        harness.read_account_record().get("phone")
        or (await harness.wait_for_state("ready"))["phone"]
    )
    expected: dict[str, list[str]] = {writer: [] for writer in writers}

    async def write(**fields: object) -> None:
        for writer in writers:
            expected[writer].append(await harness.control.write_to_account(writer, to, **fields))

    def received(writer: str) -> list[str]:
        messages = [inbound.decode(record.value) for record in topic]
        return list(dict.fromkeys(m.whatsapp_id for m in messages if m.from_ == writer))

    for n in range(3):
        await write(body=f"before {n}")
    await wait_until(lambda: received(writers[0]))
    harness.system.workers[0].kill()
    await write(type="image", media={"data": "iVBORw==", "mime": "image/png"})
    harness.system.start_sender()
    await write(body="after")
    for writer in writers:
        await wait_until(lambda writer=writer: received(writer) == expected[writer])
    media = [m.media for record in topic if (m := inbound.decode(record.value)).media]
    assert {item and item.size for item in media} == {4}
    ids = {whatsapp_id for ids in expected.values() for whatsapp_id in ids}

    def has_events() -> bool:
        return ids == {e.whatsapp_id for e in harness.read_events() if isinstance(e, InboundSeen)}

    await wait_until(has_events)


@pytest.mark.parametrize("is_storage_kept", [False, True], ids=["emptied", "kept"])
async def test_a_claim_of_a_link_that_is_gone(
    crash_harness: SenderHarness, is_storage_kept: bool
) -> None:
    """Nothing can tell whether it was sent, so the outcome is unknown, until a receipt proves it.

    A page that is killed in the middle of its logout may leave the message in its storage.
    """
    harness, body = crash_harness, f"gone-{is_storage_kept}"
    await harness.control.post("/faults", {"ack_lost": True})  # also if the page sends it again
    send = await harness.dispatch(body, "+60120000001", timeout_s=60)
    await harness.wait_for_stanza(body)
    browser = browser_of(harness)
    harness.system.workers[0].kill()
    await wait_until(lambda: not browser.is_running())
    if is_storage_kept:
        await harness.control.post("/faults", {"storage_kept": True})
    await harness.control.post("/faults", {"logout": True, "count": None})
    harness.system.start_sender()
    await harness.wait_for_state("linking")
    deferred = await harness.wait_for_result(send)
    assert isinstance(deferred, Deferred)
    assert deferred.in_doubt

    await harness.control.clear_faults()
    await link_account(harness.caller, harness.control)
    later = await harness.dispatch(body, "+60120000001", dispatch_number=2)
    unknown = await harness.wait_for_result(later)
    assert isinstance(unknown, OutcomeUnknown), await harness.fetch_stanzas(body)
    assert unknown.at_s > time.time() - 60
    repeated = await harness.dispatch(body, "+60120000001", dispatch_number=3)
    assert await harness.wait_for_result(repeated) == unknown
    account = await harness.wait_for_state("ready")
    await harness.control.post("/read", {"by": send.phone, "to": account["phone"]})
    await wait_until(lambda: harness.find_receipts(body) == ["read"])
    again = await harness.dispatch(body, "+60120000001", dispatch_number=4, allow_duplicate=True)
    assert isinstance(await harness.wait_for_result(again), Sent)
    assert len(await harness.fetch_stanzas(body)) == 1


async def test_kills_and_terminations_in_a_row(crash_harness: SenderHarness) -> None:
    """Many dispatches, and a sender that is killed or terminated in the middle: each is shown once."""
    harness = crash_harness
    await harness.control.post("/faults", {"ack_delay_ms": 50})  # so that both come in the middle
    sends = []
    for number in range(60):
        phone = f"+60120000{number:03}"
        chat_id = f"{phone[1:]}@c.us"
        sends.append(
            await harness.dispatch(f"kills-{number}", phone, timeout_s=120, chat_id=chat_id)
        )

    async def arrived() -> list[str]:
        log = await harness.control.fetch_log()
        return [r["body"] for r in log if r["shown"] and r["body"].startswith("kills-")]

    async def more_than(count: int) -> bool:
        return len(await arrived()) > count

    for how, count in ((signal.SIGKILL, 10), (signal.SIGTERM, 30)):
        await wait_until(lambda count=count: more_than(count))
        harness.system.workers[-1].kill(how)
        harness.system.start_sender()
    for send in sends:
        await wait_until_sent(harness, send)
    assert sorted(await arrived()) == sorted(send.id for send in sends)


async def test_a_second_sender_takes_over(crash_harness: SenderHarness) -> None:
    """It stands by without a browser; the first one, frozen under a submit, wakes without its send topic."""
    harness = crash_harness
    first = harness.system.workers[0]
    second = harness.system.start_sender(ACCOUNT, number=2)
    await second.wait_until_ready()
    await harness.wait_for_state("ready")
    assert browser_of(harness).ppid() != second.process.pid
    await harness.control.post("/faults", {"ack_delay_ms": 1500, "count": 1})
    send = await harness.dispatch("taken over", "+60120000001", timeout_s=60)
    await harness.wait_for_stanza("taken over")
    owner = (await harness.wait_for_state("ready"))["owner"]
    holder, other = (first, second) if owner.endswith(f":{first.process.pid}") else (second, first)
    holder.process.send_signal(signal.SIGSTOP)

    async def owns_the_send_topic() -> bool:
        return "wa_sender_in_progress 1.0" in await metrics(other)

    await wait_until(owns_the_send_topic)
    holder.process.send_signal(signal.SIGCONT)
    assert await wait_until(lambda: holder.process.poll()) == ExitCode.FENCED
    assert isinstance(await harness.wait_for_result(send), Sent)
    assert await harness.count_shown("taken over") == 1
    record = await harness.wait_for_state("ready")
    assert record["owner"].endswith(f":{other.process.pid}")


async def test_a_sender_that_stops_withdraws_its_claims(crash_harness: SenderHarness) -> None:
    """A message that was only claimed is new to the next owner, which need not reconcile it."""
    harness = crash_harness
    await harness.control.post("/faults", {"ack_delay_ms": 1500, "count": 1})
    sends = await dispatch_four(harness, "goes", "6012000000")
    leaver = harness.system.workers[0]
    leaver.kill(signal.SIGTERM)
    assert leaver.process.returncode == 0, leaver.read_log_tail()
    assert isinstance(await harness.wait_for_result(sends[0]), Sent)
    await harness.wait_for_state("stopped")
    successor = harness.system.start_sender()
    for send in sends:
        await wait_until_sent(harness, send)
    rows = [row for row in await harness.control.fetch_log() if row["body"].startswith("goes-")]
    assert sorted(row["body"] for row in rows) == [f"goes-{n}" for n in range(4)], rows
    assert "wa_sender_reconciliations_total 0.0" in await metrics(successor)


async def metrics(worker: Worker) -> str:
    """The metrics of a worker."""
    async with aiohttp.request("GET", f"{worker.read_url()}/metrics") as answer:
        return await answer.text()
