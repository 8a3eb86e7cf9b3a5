"""A message whose ack is late holds up no other one."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from streams.domain.accounts.pacing import Pace
from streams.domain.phone.events import Deferred, Sent
from streams.domain.sending.typing_indication import TypingRule
from streams.sender.attempts.submitter import Limits
from streams.sender.pipeline import MAX_UNANSWERED
from streams.whatsapp.driver import NotBegun, Submission, SubmitResult
from tests.sender.conftest import open_sender
from tests.sender.fast import FastSender, make_command, run_until_idle, until

IMPATIENT = Limits(ack_timeout_s=20.0, lease_s=3600.0, ack_patience_s=0.0)


@pytest.fixture
async def sender() -> AsyncIterator[FastSender]:
    """An open sender that waits for no ack before it goes on."""
    async with open_sender(limits=IMPATIENT) as sender:
        yield sender


def bodies(sender: FastSender) -> list[object]:
    """The texts of the submitted messages, in their order."""
    return [submission.content["body"] for submission in sender.driver.submissions]


async def test_one_lost_ack_and_twenty_other_recipients(sender: FastSender) -> None:
    """All of them are sent, in their order, while the first message still waits for its ack."""
    ack = sender.driver.delay_next_ack()
    await sender.dispatch(make_command("lost"))
    names = [f"m{number}" for number in range(20)]
    for number, name in enumerate(names):
        await sender.dispatch(make_command(name, phone=f"+6012345{number:04}"))
    for name in names:
        assert isinstance(await sender.wait_for_result(name), Sent)
    assert bodies(sender) == ["lost", *names]
    assert sender.outcomes("lost") == []
    assert sender.registry.get_sample_value("wa_sender_awaiting_ack") == 1
    ack.set()
    assert isinstance(await sender.wait_for_result("lost"), Sent)


async def test_a_turn_that_comes_once_more_has_no_second_prelude() -> None:
    """The page has not begun the message, and says so late. Its recipient has seen the typing already."""
    sender = FastSender(limits=IMPATIENT, typing=TypingRule(max_s=0.001))
    await sender.open()
    submit, begun, may_answer = sender.driver.submit, asyncio.Event(), asyncio.Event()

    async def answer_late_and_then_submit(submission: Submission) -> SubmitResult:
        if begun.is_set():
            return await submit(submission)
        begun.set()
        await may_answer.wait()
        return NotBegun()

    sender.driver.submit = answer_late_and_then_submit  # type: ignore[method-assign]
    await sender.dispatch(make_command("a"))
    async with asyncio.timeout(60):
        await begun.wait()
    await run_until_idle()  # its turn ends without the answer
    may_answer.set()
    assert isinstance(await sender.wait_for_result("a"), Sent)
    assert [is_typing for _, is_typing, _ in sender.driver.typing] == [True, False]
    await sender.close()
    assert sender.failures == []


def test_the_patience_is_short() -> None:
    """By default, others go on after a second: far less than the timeout of the ack."""
    assert Limits(ack_timeout_s=20.0, lease_s=30.0).ack_patience_s <= 1.0


async def test_a_dead_connection_gets_a_bounded_number_of_messages(sender: FastSender) -> None:
    """If no ack comes at all, the page is given no more, and goes on when an ack comes."""
    acks = [sender.driver.delay_next_ack() for _ in range(MAX_UNANSWERED)]
    names = [f"m{number}" for number in range(MAX_UNANSWERED + 2)]
    for name in names:
        await sender.dispatch(make_command(name))
    await until(lambda: len(sender.driver.submissions) == MAX_UNANSWERED)
    await run_until_idle()
    assert bodies(sender) == names[:MAX_UNANSWERED]
    acks[3].set()
    await until(lambda: len(sender.driver.submissions) == MAX_UNANSWERED + 2)
    for ack in acks:
        ack.set()
    await until(lambda: len(sender.outcomes()) == len(names))
    assert bodies(sender) == names


async def test_a_late_ack_counts_against_the_pace() -> None:
    """The message may have arrived at any moment, so it takes its place from its submit on."""
    sender = FastSender(limits=IMPATIENT, pace=Pace(interval_s=0.0, per_minute=2))
    await sender.open()
    ack = sender.driver.delay_next_ack()
    await sender.dispatch(make_command("late"))
    assert isinstance(await sender.send(make_command("a")), Sent)
    refused = await sender.send(make_command("b", timeout_s=0.5))
    assert isinstance(refused, Deferred)
    assert refused.error.code == "account_rate_limited"
    ack.set()
    await sender.wait_for_result("late")
    assert isinstance(await sender.send(make_command("c")), Deferred)
    sender.advance(60.0)
    assert isinstance(await sender.send(make_command("d")), Sent)
    await sender.close()


async def test_a_message_in_doubt_counts_against_the_pace_once() -> None:
    """Its ack is lost: it counts when its attempt ends, and not again when a lookup proves that it was sent."""
    sender = FastSender(pace=Pace(interval_s=0.0, per_minute=2))
    await sender.open()
    sender.driver.lose_next_ack()
    assert isinstance(await sender.send(make_command("a")), Deferred)
    [submission] = sender.driver.submissions
    sender.driver.set_ack(submission.whatsapp_id, 1)
    assert isinstance(await sender.send(make_command("a", number=2)), Sent)
    assert isinstance(await sender.send(make_command("b")), Sent)
    assert isinstance(await sender.send(make_command("c")), Deferred)
    await sender.close()


async def test_close_waits_for_acks_that_may_still_come(sender: FastSender) -> None:
    """Each message that was submitted ends with its outcome, if its ack comes soon."""
    acks = [sender.driver.delay_next_ack() for _ in range(3)]
    records = [await sender.dispatch(make_command(f"m{number}")) for number in range(3)]
    await until(lambda: len(sender.driver.submissions) == 3)
    for ack in acks:
        ack.set()
    await sender.pipeline.close()
    assert [record.is_acked for record in records] == [True] * 3
