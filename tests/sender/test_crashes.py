"""Whatever dies while a message is sent, the recipient gets it once, or nobody claims that it was sent."""

import signal

import aiohttp
import psutil
import pytest

from streams.domain.phone.events import Deferred, OutcomeUnknown, Sent
from streams.runtime.exit_codes import ExitCode
from tests.sender.conftest import ACCOUNT, SenderHarness, get_settings
from tests.support.system import Worker, wait_until
from tests.support.whatsapp import link_account

pytestmark = [pytest.mark.broker, pytest.mark.browser]


def browser_of(office: SenderHarness) -> psutil.Process:
    """The account's browser, the one process of it that has no type."""
    profile = f"--user-data-dir={get_settings(office).data_dir / 'profiles' / ACCOUNT}"
    [found] = [
        process
        for process in psutil.process_iter(["cmdline"])
        if profile in (line := process.info["cmdline"] or [])
        and not any(part.startswith("--type=") for part in line)
    ]
    return found


async def test_the_browser_dies_under_a_submit(rough_office: SenderHarness) -> None:
    """The sender looks when the browser is back: it was sent, and is shown once."""
    office = rough_office
    await office.control.post("/faults", {"ack_delay_ms": 2500, "count": 1})
    send = await office.dispatch("browser", "+60120000001")
    await office.wait_for_stanza("browser")
    browser_of(office).kill()
    assert isinstance(await office.wait_for_result(send), Sent)
    assert await office.count_shown("browser") == 1
    assert isinstance(await office.wait_for_result(await office.dispatch("next", "+60120000001")), Sent)


async def test_the_sender_dies_between_claim_and_outcome(rough_office: SenderHarness) -> None:
    """The next process finds the claim, looks, and answers; the record is not lost and not sent again."""
    office = rough_office
    await office.control.post("/faults", {"ack_delay_ms": 1500, "count": 1})
    send = await office.dispatch("sender", "+60120000001")
    await office.wait_for_stanza("sender")
    office.system.workers[0].kill()
    assert office.find_outcomes("sender") == []
    office.system.start_sender()
    assert isinstance(await office.wait_for_result(send), Sent)
    assert await office.count_shown("sender") == 1


async def test_a_claim_of_a_link_that_is_gone(rough_office: SenderHarness) -> None:
    """Nothing can tell any more whether it was sent: it is given up, and never sent again by itself."""
    office = rough_office
    await office.control.post("/faults", {"ack_delay_ms": 60_000, "count": 1})
    send = await office.dispatch("gone", "+60120000001", deadline_in_s=60)
    await office.wait_for_stanza("gone")
    office.system.workers[0].kill()
    await office.control.clear_faults()
    await office.control.post("/faults", {"logout": True, "count": None})
    office.system.start_sender()
    await office.wait_for_state("linking")
    handed_back = await office.wait_for_result(send)
    assert isinstance(handed_back, Deferred)
    assert handed_back.in_doubt

    await office.control.clear_faults()
    await link_account(office.caller, office.control)
    later = await office.dispatch("gone", "+60120000001", dispatch_number=2)
    lost = await office.wait_for_result(later)
    assert isinstance(lost, OutcomeUnknown)
    assert lost.at_s > later.deadline_s - 30
    repeated = await office.dispatch("gone", "+60120000001", dispatch_number=3)
    assert await office.wait_for_result(repeated) == lost
    assert await office.count_shown("gone") == 1
    again = await office.dispatch("gone", "+60120000001", dispatch_number=4, again=True)
    assert isinstance(await office.wait_for_result(again), Sent)


async def test_kills_and_terminations_in_a_row(rough_office: SenderHarness) -> None:
    """Many releases, a sender that is killed or told to go in the middle of them: each is shown once."""
    office = rough_office
    sends = []
    for number in range(60):
        phone = f"+60120000{number:03}"
        chat_id = f"{phone[1:]}@c.us"
        sends.append(await office.dispatch(f"kills-{number}", phone, deadline_in_s=120, chat_id=chat_id))

    async def arrived() -> list[str]:
        log = await office.control.fetch_log()
        return [r["body"] for r in log if r["shown"] and r["body"].startswith("kills-")]

    async def more_than(count: int) -> bool:
        return len(await arrived()) > count

    for how in (signal.SIGKILL, signal.SIGTERM):
        count = len(await arrived()) + 11
        await wait_until(lambda count=count: more_than(count))
        office.system.workers[-1].kill(how)
        office.system.start_sender()
    for send in sends:
        assert isinstance(await office.wait_for_result(send), Sent), office.find_outcomes(send.id)
    assert sorted(await arrived()) == sorted(send.id for send in sends)


async def test_a_second_sender_takes_over(rough_office: SenderHarness) -> None:
    """It stands by without a browser; the first one, frozen under a submit, wakes to find the lane gone."""
    office = rough_office
    first = office.system.workers[0]
    second = office.system.start_sender(ACCOUNT, number=2)
    await second.wait_until_ready()
    await office.wait_for_state("ready")
    assert browser_of(office).ppid() != second.process.pid
    await office.control.post("/faults", {"ack_delay_ms": 1500, "count": 1})
    send = await office.dispatch("taken over", "+60120000001", deadline_in_s=60)
    await office.wait_for_stanza("taken over")
    owner = (await office.wait_for_state("ready"))["owner"]
    holder, other = (first, second) if owner.endswith(f":{first.process.pid}") else (second, first)
    holder.process.send_signal(signal.SIGSTOP)

    async def has_the_lane() -> bool:
        return "wa_sender_on_the_way 1.0" in await metrics(other)

    await wait_until(has_the_lane)
    holder.process.send_signal(signal.SIGCONT)
    assert await wait_until(lambda: holder.process.poll()) == ExitCode.FENCED
    assert isinstance(await office.wait_for_result(send), Sent)
    assert await office.count_shown("taken over") == 1
    record = await office.wait_for_state("ready")
    assert record["owner"].endswith(f":{other.process.pid}")


async def test_a_sender_that_goes_takes_its_claims_back(rough_office: SenderHarness) -> None:
    """What it had only claimed is new to the next owner, who need not look for it."""
    office = rough_office
    await office.control.post("/faults", {"ack_delay_ms": 1500, "count": 1})
    sends = [
        await office.dispatch(f"goes-{n}", f"+6012000000{n}", chat_id=f"6012000000{n}@c.us")
        for n in range(4)
    ]
    await office.wait_for_stanza("goes-0")
    leaver = office.system.workers[0]
    leaver.kill(signal.SIGTERM)
    assert leaver.process.returncode == 0, leaver.read_log_tail()
    assert isinstance(await office.wait_for_result(sends[0]), Sent)
    await office.wait_for_state("stopped")
    successor = office.system.start_sender()
    for send in sends:
        assert isinstance(await office.wait_for_result(send), Sent)
    bodies = [row["body"] for row in await office.control.fetch_log()]
    assert [b for b in bodies if b.startswith("goes-")] == [f"goes-{n}" for n in range(4)]
    assert "wa_sender_looks_total 0.0" in await metrics(successor)


async def metrics(worker: Worker) -> str:
    """What it counts."""
    async with aiohttp.request("GET", f"{worker.read_url()}/metrics") as answer:
        return await answer.text()
