"""A refusal that comes after the ack timeout, with a driver in memory: it restricts the account at once, and once."""

from collections.abc import AsyncIterator

import pytest

from streams.domain.accounts.requests import AccountRequest
from streams.domain.accounts.restriction import Restriction
from streams.domain.phone.events import Deferred, OutcomeUnknown, Sent
from streams.domain.sending.message_id import derive_whatsapp_id
from streams.testing.phone_world import PHONE
from streams.whatsapp.driver import LateRefusal, Phase
from tests.sender.fast import FastSender, make_command, run_until_idle, until

STRANGER = "60129999999@c.us"
TIME_LOCK, PAUSE = "reachout_timelocked", "account_rate_limited"


@pytest.fixture
async def sender() -> AsyncIterator[FastSender]:
    """An open sender with one message in doubt."""
    sender = FastSender()
    await sender.open()
    sender.driver.lose_next_ack(arrives=False)
    await dispatch(sender, number=1)
    yield sender
    await sender.close()
    assert sender.failures == []


async def refuse(sender: FastSender, server_code: int) -> None:
    """The server refuses it, and the sender has done what it does about it."""
    sender.driver.refuse_pending(server_code)
    await run_until_idle()


async def dispatch(sender: FastSender, number: int = 2) -> Deferred:
    """A dispatch of the message, which leaves it in doubt; it begins with a look-up, except for the first."""
    result = await sender.send(make_command("a", number=number))
    assert isinstance(result, Deferred)
    assert result.in_doubt
    return result


def get(sender: FastSender, code: str) -> Restriction:
    """The restriction of this code."""
    restriction = sender.restrictions.get(code)
    assert restriction is not None
    return restriction


async def test_the_account_is_restricted_at_once(sender: FastSender) -> None:
    """Before anything looks for the message: no stranger gets one meanwhile. The look-up concludes the message."""
    await refuse(sender, 463)
    begun = get(sender, TIME_LOCK)
    assert b"restriction:reachout_timelocked" in sender.disk.rows, "it is durable"
    held = await sender.send(make_command("b", chat_id=STRANGER))
    assert isinstance(held, Deferred)
    assert held.error.code == "new_chats_restricted"
    assert sender.driver.sent == []
    sender.advance(10.0)
    assert isinstance(await sender.send(make_command("a", number=2)), OutcomeUnknown)
    assert get(sender, TIME_LOCK) == begun
    refusals = sender.registry.get_sample_value("wa_sender_refusals_total", {"code": "463"})
    assert (refusals, sender.driver.sent) == (1, [])


async def test_a_pause_begins_once(sender: FastSender) -> None:
    """The message waits for its end, and no longer; a refusal of the next submit is another one."""
    await refuse(sender, 429)
    begun = get(sender, PAUSE)
    sender.advance(10.0)
    held = await dispatch(sender)
    assert (held.is_held_back, held.until_s) == (True, begun.until_s)
    assert get(sender, PAUSE) == begun
    sender.advance(begun.until_s - sender.now_s)
    sender.driver.refuse_next_submit(429)
    await dispatch(sender, number=3)
    assert len(sender.driver.submissions) == 2
    assert get(sender, PAUSE).repetitions == begun.repetitions + 1


async def test_a_report_after_the_look_up_is_of_the_same_refusal(sender: FastSender) -> None:
    """The page has reported it by then, and the report is still on its way."""
    sender.driver.store.refuse_pending(429)
    await dispatch(sender)
    begun = get(sender, PAUSE)
    [submission] = sender.driver.submissions
    sender.driver.emit(LateRefusal(submission.whatsapp_id, 429))
    await run_until_idle()
    assert get(sender, PAUSE) == begun


@pytest.mark.parametrize("server_code", [463, 429])
async def test_a_code_that_a_reload_has_lost_was_counted(
    sender: FastSender, server_code: int
) -> None:
    """The next page only knows that the message was refused. The account does not pause for that once more."""
    await refuse(sender, server_code)
    begun = list(sender.restrictions.restrictions)
    sender.driver.reload_page()
    await until(lambda: sender.session.state.phase is Phase.READY)
    held = await dispatch(sender)
    assert (held.is_held_back, held.until_s) == (True, begun[0].until_s)
    assert list(sender.restrictions.restrictions) == begun
    assert len(sender.driver.submissions) == 1


async def test_the_look_up_does_not_undo_what_a_person_has_resumed(sender: FastSender) -> None:
    """The person knows of the restriction."""
    await refuse(sender, 463)
    request = AccountRequest(account="main", requested="active", by="me", at_s=sender.now_s)
    sender.restrictions.apply_request(request)
    assert isinstance(await sender.send(make_command("a", number=2)), OutcomeUnknown)
    assert get(sender, TIME_LOCK).is_lifted
    assert isinstance(await sender.send(make_command("b", chat_id=STRANGER)), Sent)


@pytest.mark.parametrize("server_code", [404, 500])
async def test_a_refusal_of_the_recipient_restricts_nothing(
    sender: FastSender, server_code: int
) -> None:
    """Other messages go on."""
    await refuse(sender, server_code)
    assert list(sender.restrictions.restrictions) == []
    assert isinstance(await sender.send(make_command("b", chat_id=STRANGER)), Sent)


async def test_a_refusal_under_an_earlier_link(sender: FastSender) -> None:
    """It says nothing of the link of now."""
    [submission] = sender.driver.submissions
    sender.driver.link_account()
    await until(lambda: sender.session.state.link == sender.driver.link)
    sender.driver.emit(LateRefusal(submission.whatsapp_id, 463))
    await run_until_idle()
    assert submission.whatsapp_id == derive_whatsapp_id("wa", "main", PHONE, "a")
    assert get(sender, TIME_LOCK).link == "link-1"
    assert isinstance(await sender.send(make_command("b", chat_id=STRANGER)), Sent)
