"""What a sender says and does while its account cannot send."""

import time

import pytest

from streams.contract.timestamps import format_rfc3339
from streams.domain.phone.events import Deferred, Failed, Sent
from tests.sender.conftest import SenderHarness
from tests.support.system import wait_until
from tests.support.whatsapp import link_account

pytestmark = [pytest.mark.broker, pytest.mark.browser]


async def test_from_the_qr_code_to_a_logout_and_back(own_office: SenderHarness) -> None:
    """The QR code is on the account's record; what cannot go goes back, and goes when it is linked."""
    office = own_office
    office.system.start_sender()
    shown = await wait_until(lambda: office.read_account_record().get("qr"))
    early = await office.dispatch("early", "+60120000001")
    result = await office.wait_for_result(early)
    assert isinstance(result, Deferred)
    assert (result.error.code, result.in_doubt) == ("not_logged_in", False)

    await office.control.post("/scan", {"qr": shown})
    ready = await office.wait_for_state("ready")
    assert ready["qr"] is None
    assert isinstance(await office.wait_for_result(await office.dispatch("linked", "+60120000001")), Sent)

    await office.control.post("/faults", {"logout": True})
    await office.wait_for_state("linking")
    later = await office.wait_for_result(await office.dispatch("logged out", "+60120000001"))
    assert isinstance(later, Deferred)
    assert later.error.code == "not_logged_in"
    assert office.read_states()[:2] == ["starting", "linking"]
    assert "logged_out" in office.read_states()

    await link_account(office.caller, office.control)
    assert isinstance(await office.wait_for_result(await office.dispatch("back", "+60120000001")), Sent)
    assert await office.fetch_stanzas("logged out") == []


async def test_a_restriction_stops_the_account_and_outlives_a_restart(
    linked_office: SenderHarness,
) -> None:
    """It is told with its end; nothing is tried again."""
    office = linked_office
    await office.control.post("/faults", {"send_error": 463, "count": 1})
    result = await office.wait_for_result(await office.dispatch("stranger", "+60120000001"))
    assert isinstance(result, Failed)
    assert result.error.code == "reachout_timelocked"
    record = await office.wait_for_state("restricted", reason="reachout_timelocked")
    assert record["until"] > record["since"]

    held = await office.wait_for_result(await office.dispatch("held", "+60120000002"))
    assert isinstance(held, Deferred)
    assert held.error.code == "account_restricted"
    office.system.workers[0].kill()
    office.system.start_sender()
    await wait_until(lambda: office.read_account_record()["owner"] != record["owner"])
    await office.wait_for_state("restricted")
    still = await office.wait_for_result(await office.dispatch("still held", "+60120000002"))
    assert isinstance(still, Deferred)
    assert await office.fetch_stanzas("held") == await office.fetch_stanzas("still held") == []


@pytest.mark.parametrize("own_system", [{"account_rate_per_minute": 2}], indirect=True)
async def test_an_account_keeps_its_pace(linked_office: SenderHarness) -> None:
    """What would wait too long for its turn goes back with the time of it, and a restart forgets nothing."""
    office = linked_office
    for number in range(2):
        sent = await office.dispatch(f"paced-{number}", "+60120000001")
        assert isinstance(await office.wait_for_result(sent), Sent)
    for number in (3, 4):
        result = await office.wait_for_result(await office.dispatch(f"paced-{number}", "+60120000001"))
        assert isinstance(result, Deferred)
        assert result.error.code == "account_rate_limited"
        assert time.time() < result.until_s < time.time() + 60
        await office.wait_for_state(
            "ready", free_at=format_rfc3339(result.until_s)
        )  # so nothing more is handed to it
        if number == 3:
            office.system.workers[0].kill()
            office.system.start_sender()
