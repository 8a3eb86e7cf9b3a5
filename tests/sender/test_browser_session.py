"""What a sender publishes and does while its account cannot send."""

import time

import pytest

from streams.contract.timestamps import format_rfc3339, parse_rfc3339
from streams.domain.phone.events import Deferred, Failed, OutcomeUnknown, Sent
from tests.sender.conftest import SenderHarness
from tests.support.waiting import wait_until
from tests.support.whatsapp import link_account

pytestmark = [pytest.mark.broker, pytest.mark.browser]

LATE_MS = 6000  # after the ack timeout of this harness


async def test_from_the_qr_code_to_a_logout_and_back(own_harness: SenderHarness) -> None:
    """The QR code is in the account's record; messages are deferred until the account is linked."""
    harness = own_harness
    harness.system.start_sender()
    shown = await wait_until(lambda: harness.read_account_record().get("qr"))
    early = await harness.dispatch("early", "+60120000001")
    result = await harness.wait_for_result(early)
    assert isinstance(result, Deferred)
    assert (result.error.code, result.in_doubt) == ("not_logged_in", False)

    await harness.control.post("/scan", {"qr": shown})
    ready = await harness.wait_for_state("ready")
    assert ready["qr"] is None
    assert isinstance(
        await harness.wait_for_result(await harness.dispatch("linked", "+60120000001")), Sent
    )

    await harness.control.post("/faults", {"logout": True})
    await harness.wait_for_state("linking")
    later = await harness.wait_for_result(await harness.dispatch("logged out", "+60120000001"))
    assert isinstance(later, Deferred)
    assert later.error.code == "not_logged_in"
    assert harness.read_states()[:2] == ["starting", "linking"]
    assert "logged_out" in harness.read_states()

    await link_account(harness.caller, harness.control)
    assert isinstance(
        await harness.wait_for_result(await harness.dispatch("back", "+60120000001")), Sent
    )
    assert await harness.fetch_stanzas("logged out") == []


async def test_a_late_refusal_restricts_the_account_at_once(linked_harness: SenderHarness) -> None:
    """The page reports it by itself: nothing looks for the message before the account is restricted."""
    harness, number = linked_harness, "+60120000031"
    fault = {"ack_delay_ms": LATE_MS, "send_error": 463, "number": number, "count": 1}
    await harness.control.post("/faults", fault)
    refused = await harness.dispatch("refused late", number)
    doubt = await harness.wait_for_result(refused)
    assert isinstance(doubt, Deferred)
    assert doubt.in_doubt
    record = await harness.wait_for_state("ready", reason="reachout_timelocked")
    held = await harness.wait_for_result(await harness.dispatch("stranger", "+60120000032"))
    assert isinstance(held, Deferred)
    assert held.error.code == "new_chats_restricted"
    later = await harness.dispatch("refused late", number, dispatch_number=2)
    assert isinstance(await harness.wait_for_result(later), OutcomeUnknown)
    assert harness.read_account_record()["until"] == record["until"], "it is counted once"
    assert await harness.fetch_stanzas("stranger") == []


async def test_the_session_tells_who_may_be_written_to(linked_harness: SenderHarness) -> None:
    """A time lock holds strangers back until it is lifted, and a quota before it is used up.

    Source: WAWebReachoutTimelockUtils and WAWebIndividualNewChatMessageCappingLimitUtils (the lock, the
    quota, and who may be written to all the same).
    """
    harness = linked_harness
    await make_friend(harness, "+60120000019")
    await harness.control.post("/faults", {"time_lock": 600})
    record = await harness.wait_for_state("ready", reason="reachout_timelocked")
    assert record["until"] == record["time_lock_until"] is not None
    held = await harness.wait_for_result(await harness.dispatch("locked", "+60120000010"))
    assert isinstance(held, Deferred)
    assert held.error.code == "new_chats_restricted"
    assert format_rfc3339(held.until_s) == record["until"]
    friendly = await harness.dispatch("under a lock", "+60120000019")
    assert isinstance(await harness.wait_for_result(friendly), Sent)
    await harness.control.post("/faults", {"time_lock": 0})
    await harness.wait_for_state("ready", reason=None, new_chats_allowed=True)

    await harness.control.post("/faults", {"new_chat_cap": 3})
    await wait_until(lambda: harness.read_account_record()["new_chat_quota"])
    sends = [await harness.dispatch(f"new-{i}", f"+6012000001{i}") for i in range(4)]
    results = [await harness.wait_for_result(send) for send in sends]
    assert [type(result) for result in results] == [Sent, Sent, Deferred, Deferred]
    record = await harness.wait_for_state("ready", reason="new_chats_capped")
    quota = record["new_chat_quota"]
    assert (quota["total"], quota["used"], quota["is_used_up"]) == (3, 2, False)
    assert record["until"] == quota["resets_at"]
    friendly = await harness.dispatch("under a cap", "+60120000019")
    assert isinstance(await harness.wait_for_result(friendly), Sent)
    assert await harness.fetch_stanzas("locked") == []


async def test_a_time_lock_stops_new_chats_and_outlives_a_restart(
    linked_harness: SenderHarness,
) -> None:
    """It is published with its end; conversations go on, and no other stranger is tried.

    Source: 463 is the server's code for the reach-out time lock (streams/domain/sending/refusals.py).
    """
    harness = linked_harness
    await harness.control.post("/faults", {"send_error": 463, "count": 1})
    result = await harness.wait_for_result(await harness.dispatch("stranger", "+60120000001"))
    assert isinstance(result, Failed)
    assert result.error.code == "reachout_timelocked"
    record = await harness.wait_for_state("ready", reason="reachout_timelocked")
    assert record["until"] > record["since"]
    assert not record["new_chats_allowed"]

    await make_friend(harness, "+60120000003")
    friendly = await harness.dispatch("friendly", "+60120000003")
    assert isinstance(await harness.wait_for_result(friendly), Sent)
    held = await harness.wait_for_result(await harness.dispatch("held", "+60120000002"))
    assert isinstance(held, Deferred)
    assert held.error.code == "new_chats_restricted"
    assert format_rfc3339(held.until_s) == record["until"]
    await restart_sender(harness)
    await harness.wait_for_state("ready", reason="reachout_timelocked")
    still = await harness.wait_for_result(await harness.dispatch("still held", "+60120000002"))
    assert isinstance(still, Deferred)
    assert await harness.fetch_stanzas("held") == await harness.fetch_stanzas("still held") == []


async def restart_sender(harness: SenderHarness) -> None:
    """The sender is killed; its successor is ready when this returns."""
    previous_owner = harness.read_account_record()["owner"]
    harness.system.workers[0].kill()
    harness.system.start_sender()
    await wait_until(lambda: harness.read_account_record()["owner"] != previous_owner)
    await harness.wait_for_state("ready")


async def make_friend(harness: SenderHarness, phone: str) -> None:
    """Somebody at this number writes to the account."""
    to = harness.read_account_record()["phone"]
    await harness.control.post("/inbound", {"from": phone, "to": to, "body": "hello"})


async def wait_until_busy(harness: SenderHarness, until_s: float) -> None:
    """The account's record says so until then. It was made at another moment, so it may differ a little."""

    def is_busy() -> bool:
        record = harness.read_account_record()
        free_at = record.get("free_at")
        is_close = free_at is not None and abs(parse_rfc3339(free_at) - until_s) < 1.0
        return record.get("state") == "ready" and is_close

    await wait_until(is_busy, timeout_s=60, message=f"the account is never busy until {until_s}")


@pytest.mark.parametrize("own_system", [{"account_rate_per_minute": 2}], indirect=True)
async def test_an_account_keeps_its_pace(linked_harness: SenderHarness) -> None:
    """A message that would wait too long is deferred until its time, and a restart forgets nothing."""
    harness = linked_harness
    for number in range(2):
        sent = await harness.dispatch(f"paced-{number}", "+60120000001")
        assert isinstance(await harness.wait_for_result(sent), Sent)
    for number in (3, 4):
        result = await harness.wait_for_result(
            await harness.dispatch(f"paced-{number}", "+60120000001")
        )
        assert isinstance(result, Deferred)
        assert result.error.code == "account_rate_limited"
        assert time.time() < result.until_s < time.time() + 60
        await wait_until_busy(harness, result.until_s)  # so nothing more is dispatched to it
        if number == 3:
            await restart_sender(harness)
