"""What a sender does when WhatsApp limits its account, with a driver in memory: refusals, time lock, quota, pause."""

import time
from collections.abc import AsyncIterator

import pytest

from streams.domain.accounts import restriction as restrictions
from streams.domain.accounts.restriction import RESTRICTION_DURATION_S, Restriction
from streams.domain.accounts.routing import Capacity
from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Failed, Sent
from streams.sender.new_chats import UNKNOWN_END_S
from streams.testing.phone_world import PhoneWorld
from streams.whatsapp.driver import NewChatQuota, Phase, TimeLock
from tests.sender.fast import FastSender, make_command, until

FRIEND, STRANGER, OTHER_STRANGER = "1@lid", "2@lid", "3@lid"


@pytest.fixture
async def sender() -> AsyncIterator[FastSender]:
    """An open sender whose session is ready; one of its chats is with a friend, two are with strangers."""
    sender = make_sender()
    await sender.open()
    yield sender
    await sender.close()
    assert sender.failures == []


def make_sender(predecessor: FastSender | None = None) -> FastSender:
    """A sender that knows who is a stranger; on the disk and the driver of its predecessor."""
    if predecessor is not None:
        return FastSender(driver=predecessor.driver, disk=predecessor.disk)
    sender = FastSender()
    sender.driver.acquaintances.add(FRIEND)
    return sender


async def tell_limits(
    sender: FastSender, time_lock: TimeLock | None = None, quota: NewChatQuota | None = None
) -> None:
    """The session tells these limits, and the sender knows."""
    sender.driver.restrict_new_chats(time_lock, quota)
    await until(lambda: sender.session.state == sender.driver.session)


def sent_texts(sender: FastSender) -> list[object]:
    """What reached WhatsApp's server, oldest first."""
    return [message.content["body"] for message in sender.driver.sent]


@pytest.mark.parametrize(
    ("server_code", "code"), [(463, "reachout_timelocked"), (475, "new_chats_capped")]
)
async def test_after_a_refused_stranger_only_conversations_go_on(
    sender: FastSender, server_code: int, code: str
) -> None:
    """The message has failed and is not retried; no other stranger is tried, and friends get theirs."""
    sender.driver.refuse_next_submit(server_code)
    refused = await sender.send(make_command("a", chat_id=STRANGER))
    assert refused == Failed(error=Error(code, str(server_code)))
    assert b"restriction:" + code.encode() in sender.disk.rows
    assert isinstance(await sender.send(make_command("b", chat_id=FRIEND)), Sent)
    held = await sender.send(make_command("c", chat_id=OTHER_STRANGER))
    assert isinstance(held, Deferred)
    assert held.error.code == "new_chats_restricted"
    assert held.until_s == pytest.approx(time.time() + RESTRICTION_DURATION_S, abs=60)
    assert sent_texts(sender) == ["b"]
    assert sender.registry.get_sample_value(
        "wa_sender_refusals_total", {"code": str(server_code)}
    ) == (1)
    assert await sender.send(make_command("a", chat_id=STRANGER)) == refused


async def test_nothing_is_given_to_a_stranger_under_a_time_lock(sender: FastSender) -> None:
    """The end of the session's time lock is the end of the deferral, and a lifted lock is over."""
    end_s = time.time() + 600
    await tell_limits(sender, TimeLock(end_s, "DEFAULT"))
    held = await sender.send(make_command("a", chat_id=STRANGER))
    assert held == Deferred(error=Error("new_chats_restricted", "DEFAULT"), until_s=end_s)
    assert isinstance(await sender.send(make_command("b", chat_id=FRIEND)), Sent)
    assert all(not call.is_new_chat_allowed for call in sender.driver.submissions)
    await tell_limits(sender)
    assert isinstance(await sender.send(make_command("a", number=2, chat_id=STRANGER)), Sent)


async def test_a_time_lock_without_an_end_holds_for_an_hour_at_a_time(sender: FastSender) -> None:
    """Nobody knows when it ends, so the account is not asked again and again."""
    await tell_limits(sender, TimeLock(None, "DEFAULT"))
    held = await sender.send(make_command("a", chat_id=STRANGER))
    assert isinstance(held, Deferred)
    assert held.until_s == pytest.approx(time.time() + UNKNOWN_END_S, abs=60)


async def test_a_restriction_outlives_a_restart_and_ends_with_a_new_link(
    sender: FastSender,
) -> None:
    """The next ownership reads it from the table; a person who links the account again lifts it."""
    sender.driver.refuse_next_submit(463)
    await sender.send(make_command("a", chat_id=STRANGER))
    await sender.close()
    successor = make_sender(sender)
    await successor.open()
    assert isinstance(await successor.send(make_command("b", chat_id=OTHER_STRANGER)), Deferred)
    successor.driver.link_account()
    await until(lambda: successor.session.state.link == successor.driver.link)
    command = make_command("b", number=2, chat_id=OTHER_STRANGER)
    assert isinstance(await successor.send(command), Sent)
    await successor.close()


async def test_a_restriction_of_an_earlier_version_is_read(sender: FastSender) -> None:
    """It had one row, without a scope: the account still sends nothing until its end."""
    now_s, link = time.time(), sender.driver.link
    old = Restriction(code="spam_flagged", since_s=now_s, until_s=now_s + 600, link=link)
    await sender.claims.write(b"restriction", restrictions.encode(old))
    await sender.close()
    successor = make_sender(sender)
    await successor.open()
    held = await successor.send(make_command("a", chat_id=FRIEND))
    error = Error("account_restricted", "spam_flagged")
    assert held == Deferred(error=error, until_s=old.until_s)
    await successor.close()


async def test_the_lock_that_the_session_shows_is_lifted_with_it(sender: FastSender) -> None:
    """A refusal restricts for a day, until the session has shown the lock and shows it no more."""
    sender.driver.refuse_next_submit(463)
    await sender.send(make_command("a", chat_id=STRANGER))
    await tell_limits(sender, TimeLock(time.time() + 600, "DEFAULT"))
    await tell_limits(sender)
    assert isinstance(await sender.send(make_command("b", chat_id=OTHER_STRANGER)), Sent)


@pytest.mark.parametrize("server_code", [429, 479])
async def test_a_rate_limit_pauses_the_account(sender: FastSender, server_code: int) -> None:
    """The refused message and those after it wait for the pause; no attempt is counted."""
    sender.driver.refuse_next_submit(server_code)
    refused = await sender.send(make_command("a", chat_id=FRIEND))
    assert isinstance(refused, Deferred)
    assert refused.error == Error("account_rate_limited", str(server_code))
    assert refused.until_s == pytest.approx(time.time() + 60, abs=30)
    for name, chat_id in (("b", FRIEND), ("c", None)):
        held = await sender.send(make_command(name, chat_id=chat_id))
        assert held == Deferred(error=Error("account_rate_limited"), until_s=refused.until_s)
    assert len(sender.driver.submissions) == 1
    assert sender.driver.lookups == []


async def test_a_restriction_of_everything_names_its_end(sender: FastSender) -> None:
    """Nothing is submitted, and the message may wait for another account."""
    link = sender.session.state.link
    restriction = await sender.restrictions.restrict(Error("spam_flagged"), link, sender.now_s)
    held = await sender.send(make_command("a", chat_id=FRIEND))
    error = Error("account_restricted", "spam_flagged")
    assert held == Deferred(error=error, until_s=restriction.until_s)
    assert sender.driver.submissions == []


async def test_a_ban_names_its_end(sender: FastSender) -> None:
    """The session is not waited for: it tells when it can be ready again."""
    end_s = time.time() + 900
    sender.driver.set_phase(Phase.RESTRICTED, reason="temporarily_banned", until_s=end_s)
    await until(lambda: sender.session.state.phase is Phase.RESTRICTED)
    for name in ("a", "b"):
        held = await sender.send(make_command(name, chat_id=None))
        assert isinstance(held, Deferred)
        assert (held.error.code, held.until_s) == ("account_restricted", end_s)
    assert sender.driver.submissions == []
    assert sender.driver.lookups == []


async def test_another_account_takes_the_stranger(sender: FastSender) -> None:
    """The phone's row, with a sender under a time lock and one without: one message, no attempt is lost."""
    free_sender = make_sender()
    await free_sender.open()
    await tell_limits(sender, TimeLock(time.time() + 600, "DEFAULT"))
    world = PhoneWorld(accounts={"north": Capacity(True, 8), "south": Capacity(True, 2)})
    world.submit("a")
    assert world.row and world.row.in_flight
    drawn = world.row.in_flight.account
    other = "south" if drawn == "north" else "north"
    senders = {drawn: sender, other: free_sender}
    accounts: list[str] = []
    while world.row and (in_flight := world.row.in_flight):
        accounts.append(in_flight.account)
        number = in_flight.dispatch_number
        command = make_command("a", number=number, chat_id=STRANGER)
        world.conclude(await senders[in_flight.account].send(command))
    assert accounts == [drawn, other]
    assert world.statuses("a") == ["accepted", "sent"]
    assert (sent_texts(sender), sent_texts(free_sender)) == ([], ["a"])
    await free_sender.close()


# -- the quota


def quota(used: int, total: int = 20, *, is_used_up: bool = False) -> NewChatQuota:
    """A quota whose reserve is one new chat."""
    return NewChatQuota(total, used, 4e9, is_used_up)


async def test_strangers_wait_before_the_quota_is_used_up(sender: FastSender) -> None:
    """Our own count is known before WhatsApp reports it; conversations use nothing of the quota."""
    await tell_limits(sender, quota=quota(17))
    strangers = [f"s{number}@lid" for number in range(4)]
    for number in range(5):
        assert isinstance(await sender.send(make_command(f"f{number}", chat_id=FRIEND)), Sent)
    results = [await sender.send(make_command(chat, chat_id=chat)) for chat in strangers]
    assert [type(result) for result in results] == [Sent, Sent, Deferred, Deferred]
    assert results[2] == Deferred(
        error=Error("new_chats_restricted", "the chat is new"), until_s=4e9
    )
    assert isinstance(await sender.send(make_command("last", chat_id=FRIEND)), Sent)
    record = sender.account_publisher.make_record()
    assert not record.new_chats_allowed
    assert record.new_chat_quota is not None
    assert record.new_chat_quota.used == 19


async def test_our_count_outlives_a_restart(sender: FastSender) -> None:
    """The report of the page may be as old as before."""
    await tell_limits(sender, quota=quota(18))
    assert isinstance(await sender.send(make_command("a", chat_id=STRANGER)), Sent)
    await sender.claims.flush()
    await sender.close()
    successor = make_sender(sender)
    await successor.open()
    held = await successor.send(make_command("b", chat_id=OTHER_STRANGER))
    assert isinstance(held, Deferred)
    await successor.close()


async def test_a_used_up_quota_holds_strangers_back(sender: FastSender) -> None:
    """No message is spent on finding out."""
    await tell_limits(sender, quota=quota(5, is_used_up=True))
    assert isinstance(await sender.send(make_command("a", chat_id=STRANGER)), Deferred)
    assert isinstance(await sender.send(make_command("b", chat_id=FRIEND)), Sent)
    assert sent_texts(sender) == ["b"]


async def test_a_stranger_in_doubt_is_submitted_again_within_the_quota(sender: FastSender) -> None:
    """The page left the message at ack 0. That it is in doubt does not make its recipient known."""
    await tell_limits(sender, quota=quota(5))
    sender.driver.lose_next_page(arrives=False, is_stored=True)
    assert isinstance(await sender.send(make_command("a", chat_id=STRANGER)), Sent)
    assert sent_texts(sender) == ["a"]


async def test_a_stranger_in_doubt_is_held_back_with_its_account(sender: FastSender) -> None:
    """Nothing is submitted under a time lock, and no other account may take the message."""
    sender.driver.lose_next_page(arrives=False, is_stored=True)
    sender.driver.break_next_submit(RuntimeError("the page is gone"))
    first = await sender.send(make_command("a", chat_id=STRANGER))
    assert first == Deferred(error=first.error, until_s=first.until_s, in_doubt=True)
    await tell_limits(sender, quota=quota(5, is_used_up=True))
    held = await sender.send(make_command("a", number=2, chat_id=STRANGER))
    assert isinstance(held, Deferred)
    assert (held.in_doubt, held.is_held_back, held.until_s) == (True, True, 4e9)
    assert sent_texts(sender) == []


async def test_a_code_that_is_no_code_is_counted_as_other(sender: FastSender) -> None:
    """The label stays bounded, whatever the page reports."""
    for code in (0, 999, 1000, -1):
        sender.metrics.record_refusal(code)
    get = sender.registry.get_sample_value
    counts = [get("wa_sender_refusals_total", {"code": code}) for code in ("0", "999", "other")]
    assert counts == [1, 1, 2]


async def test_a_page_that_cannot_tell_its_time_lock_does_not_lift_it(sender: FastSender) -> None:
    """WhatsApp updates its page during the lock: what it shows no more is not over, also not a refusal's."""
    sender.driver.refuse_next_submit(463)
    await sender.send(make_command("a", chat_id=STRANGER))
    await tell_limits(sender, TimeLock(time.time() + 600, "DEFAULT"))
    sender.driver.remove_symbols("restrictions/isUserReachoutTimelocked")
    await until(lambda: sender.session.state == sender.driver.session)
    held = await sender.send(make_command("b", chat_id=OTHER_STRANGER))
    assert isinstance(held, Deferred)
    assert held.until_s == pytest.approx(time.time() + 600, abs=60)
    assert isinstance(await sender.send(make_command("c", chat_id=FRIEND)), Sent)
    assert sent_texts(sender) == ["c"]
