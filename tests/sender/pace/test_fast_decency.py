"""What keeps an account from being banned, with a driver in memory: warm-up, slow return, strangers, typing."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from streams.contract.account import SlowReturn
from streams.domain.accounts.pace_rules import PaceRules
from streams.domain.accounts.pacing import DAY_S, Pace
from streams.domain.accounts.warm_up import parse_ladder
from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Sent
from streams.domain.sending.typing_indication import TypingRule
from streams.whatsapp.driver import Phase
from tests.sender.fast import FastSender, make_command, until

UNPACED = Pace(interval_s=0.0, per_minute=0)
LADDER = PaceRules(UNPACED, ladder=parse_ladder("1:1/3,2:2/5"))
FRIEND, FIRST, SECOND, THIRD = "1@lid", "2@lid", "3@lid", "4@lid"

OpenSender = Callable[..., "asyncio.Future[FastSender]"]


@pytest.fixture
async def open_sender() -> AsyncIterator[Callable[..., object]]:
    """Opens a sender, after the last one was closed; on its disk, its driver and its clock if it is given."""
    senders: list[FastSender] = []

    async def open_sender(predecessor: FastSender | None = None, **options: object) -> FastSender:
        if predecessor is not None:
            await predecessor.close()
            options |= {"driver": predecessor.driver, "disk": predecessor.disk}
        sender = FastSender(**options)  # pyright: ignore[reportArgumentType]
        if predecessor is not None:
            sender.now_s, sender.skipped_s = predecessor.now_s, predecessor.skipped_s
        sender.driver.acquaintances.add(FRIEND)
        await sender.open()
        senders.append(sender)
        return sender

    yield open_sender
    if senders:
        await senders[-1].close()
    assert all(sender.failures == [] for sender in senders)


async def test_a_new_account_writes_to_few_new_people(open_sender: OpenSender) -> None:
    """A second stranger waits or uses another account; whoever got a message before goes on, and a friend."""
    sender = await open_sender(rules=LADDER)
    assert isinstance(await sender.send(make_command("a", chat_id=FIRST)), Sent)
    held = await sender.send(make_command("b", chat_id=SECOND))
    assert isinstance(held, Deferred)
    assert held.error.code == "new_chats_restricted"
    assert held.until_s == pytest.approx(sender.now_s + DAY_S, abs=100)
    assert isinstance(await sender.send(make_command("c", chat_id=FIRST)), Sent)
    assert isinstance(await sender.send(make_command("d", chat_id=FRIEND)), Sent)
    record = sender.account_publisher.make_record(sender.session.state)
    assert (record.state, record.reason, record.new_chats_allowed) == ("ready", "warm_up", False)
    assert record.warm_up is not None
    counts = (record.warm_up.new_recipients_today, record.warm_up.new_recipients_per_day)
    assert (record.warm_up.day, *counts, record.daily_cap) == (1, 1, 1, 3)


async def test_the_ladder_survives_a_restart_and_a_new_link(open_sender: OpenSender) -> None:
    """The first day does not begin again, and nobody is forgotten; another number begins its own."""
    sender = await open_sender(rules=LADDER)
    await sender.send(make_command("a", chat_id=FIRST))
    sender.advance(DAY_S / 2)
    sender = await open_sender(sender, rules=LADDER)
    assert isinstance(await sender.send(make_command("b", chat_id=SECOND)), Deferred)
    sender.driver.link_account()
    await until(lambda: sender.session.state.link == sender.driver.link)
    sender.advance(DAY_S / 2)
    assert sender.account_pace.get_limits().day == 2
    assert isinstance(await sender.send(make_command("b", number=2, chat_id=SECOND)), Sent)
    sender.driver._phone = "+905550000002"
    sender.driver.link_account()
    await until(lambda: sender.session.state.phone == "+905550000002")
    assert sender.account_pace.get_limits().day == 1


async def test_a_clock_that_was_set_back_makes_nobody_older(open_sender: OpenSender) -> None:
    """A first link that lies in the future is corrected once, so it is day 2 a day later."""
    sender = await open_sender(rules=LADDER)
    await sender.claims.flush()
    sender.now_s -= 10 * DAY_S
    sender = await open_sender(sender, rules=LADDER)
    assert sender.account_pace.get_limits().day == 1
    sender.advance(DAY_S)
    assert sender.account_pace.get_limits().day == 2
    sender.now_s += (
        10 * DAY_S
    )  # while a process runs, only its monotonic clock makes the account older
    assert sender.account_pace.get_limits().day == 2


async def test_the_messages_of_a_day_are_counted_over_a_restart(open_sender: OpenSender) -> None:
    """The fourth message of the first day waits for the cap, which rises with the second day."""
    sender = await open_sender(rules=LADDER)
    for name in ("a", "b", "c"):
        assert isinstance(await sender.send(make_command(name, chat_id=FRIEND)), Sent)
    held = await sender.send(make_command("d", chat_id=FRIEND))
    assert isinstance(held, Deferred)
    assert held.error == Error("account_daily_cap")
    record = sender.account_publisher.make_record(sender.session.state)
    assert record.free_at is not None
    sender.advance(DAY_S - 100)
    assert isinstance(await sender.send(make_command("d", number=2, chat_id=FRIEND)), Deferred)
    sender.advance(100)
    assert isinstance(await sender.send(make_command("d", number=3, chat_id=FRIEND)), Sent)


async def test_the_pace_returns_slowly_after_a_pause(open_sender: OpenSender) -> None:
    """A quarter for as long as the pause was, then half, then normal; a restart does not shorten it."""
    rules = PaceRules(Pace(interval_s=0.0, per_minute=8))
    sender = await open_sender(rules=rules)
    sender.driver.refuse_next_submit(429)
    assert isinstance(await sender.send(make_command("a", chat_id=FRIEND)), Deferred)
    sender.advance(60)
    sender = await open_sender(sender, rules=rules)
    expected = [(25, 2), (25, 2), (50, 4), (50, 4), (None, 8)]
    for percent, per_minute in expected:
        record = sender.account_publisher.make_record(sender.session.state)
        returning = record.slow_return
        assert (returning and returning.messages_percent) == percent
        assert sender.account_pace.get_limits().messages.per_minute == per_minute
        sender.advance(31)


async def test_after_a_time_lock_strangers_come_back_slowly(open_sender: OpenSender) -> None:
    """Conversations go on at the normal pace; a stranger who comes too early is handed back."""
    sender = await open_sender(rules=PaceRules(Pace(interval_s=0.0, per_minute=4)))
    sender.driver.refuse_next_submit(463)
    await sender.send(make_command("a", chat_id=FIRST))
    sender.advance(DAY_S)
    returning = sender.account_publisher.make_record(sender.session.state).slow_return
    assert isinstance(returning, SlowReturn)
    assert (returning.messages_percent, returning.new_chats_percent) == (100, 25)
    assert isinstance(await sender.send(make_command("b", chat_id=SECOND)), Sent)
    assert isinstance(await sender.send(make_command("c", chat_id=FRIEND)), Sent)
    held = await sender.send(make_command("d", chat_id=THIRD))
    assert isinstance(held, Deferred)
    assert held.error == Error("account_rate_limited")
    assert held.until_s == pytest.approx(sender.now_s + 60, abs=5)


async def test_a_stranger_waits_and_others_go_on(open_sender: OpenSender) -> None:
    """The second stranger waits for the longer pause, while a friend gets theirs at once."""
    sender = await open_sender(rules=PaceRules(UNPACED, new_chat_interval_s=0.3))
    await sender.send(make_command("a", chat_id=FIRST))
    await sender.dispatch(make_command("b", chat_id=SECOND))
    assert isinstance(await sender.send(make_command("c", chat_id=FRIEND)), Sent)
    assert sender.outcomes("b") == []
    assert isinstance(await sender.wait_for_result("b"), Sent)
    assert [message.content["body"] for message in sender.driver.sent] == ["a", "c", "b"]


async def test_typing_is_shown_before_a_message_and_ends_with_it(open_sender: OpenSender) -> None:
    """It holds up nobody else, and what is never sent leaves nobody typing."""
    sender = await open_sender(typing=TypingRule(max_s=0.2))
    await sender.dispatch(make_command("a long text", chat_id=FRIEND))
    await until(lambda: sender.driver.typing)
    assert isinstance(await sender.send(make_command("b", chat_id=FIRST)), Sent)
    assert isinstance(await sender.wait_for_result("a long text"), Sent)
    of_friend = [event for event in sender.driver.typing if event[0] == FRIEND]
    assert of_friend[0][:2] == (FRIEND, True)
    assert of_friend[-1][:2] == (FRIEND, False)
    assert of_friend[0][2] < of_friend[-1][2]
    sender.driver.reject_next_submit("server_error")
    await sender.send(make_command("c", chat_id=FRIEND))
    assert sender.driver.typing[-1][:2] == (FRIEND, False)


async def test_nothing_is_shown_before_what_is_held_back(open_sender: OpenSender) -> None:
    """Neither by a limit of new recipients nor by the cap, nor without a session."""
    sender = await open_sender(rules=LADDER, typing=TypingRule(max_s=0.01))
    await sender.send(make_command("a", chat_id=FIRST))
    shown = len(sender.driver.typing)
    assert isinstance(await sender.send(make_command("b", chat_id=SECOND)), Deferred)
    assert len(sender.driver.typing) == shown
    for name in ("c", "d"):
        await sender.send(make_command(name, chat_id=FRIEND))
    shown = len(sender.driver.typing)
    assert isinstance(await sender.send(make_command("e", chat_id=FRIEND)), Deferred)
    sender.driver.set_phase(Phase.RECONNECTING, reason="disconnected")
    assert len(sender.driver.typing) == shown


async def test_messages_that_do_not_arrive_stop_those_to_strangers(
    open_sender: OpenSender,
) -> None:
    """Most of the recipients got nothing: for a day only friends get messages, also after a restart."""
    rules = PaceRules(UNPACED, max_undelivered_percent=80)
    sender = await open_sender(rules=rules)
    for number in range(20):
        command = make_command(f"m{number}", chat_id=f"1{number}@lid", phone=f"+6012000{number:04}")
        assert isinstance(await sender.send(command), Sent)
    sender.advance(2000.0)
    await sender.account_pace.delivery_watch.check()
    assert isinstance(await sender.send(make_command("soon", chat_id=FIRST)), Sent)
    sender.advance(2000.0)
    await sender.account_pace.delivery_watch.check()
    sender = await open_sender(sender, rules=rules)
    held = await sender.send(make_command("a", chat_id=SECOND))
    assert isinstance(held, Deferred)
    assert held.error.code == "new_chats_restricted"
    assert isinstance(await sender.send(make_command("b", chat_id=FRIEND)), Sent)
    record = sender.account_publisher.make_record(sender.session.state)
    assert (record.reason, record.new_chats_allowed) == ("many_undelivered", False)
    sender.advance(DAY_S)
    assert isinstance(await sender.send(make_command("c", chat_id=SECOND)), Sent)
