"""The page has the next message ahead of its turn, so nothing lies between two submits; and when it must not."""

import orjson

from streams.domain.accounts.pacing import Pace
from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Failed, Sent
from streams.domain.sending.turn_times import MAX_SUBMITS_AHEAD
from streams.whatsapp.driver import Phase, Submission
from tests.sender.fast import FastSender, make_command, run_until_idle, until

NAMES = [f"m{number}" for number in range(6)]


def record_calls(sender: FastSender) -> list[Submission]:
    """Every submission that the page is given from now on, also those that it has not begun."""
    calls: list[Submission] = []
    submit = sender.driver.submit

    async def record_and_submit(submission: Submission) -> object:
        calls.append(submission)
        return await submit(submission)

    sender.driver.submit = record_and_submit  # type: ignore[method-assign]
    return calls


def bodies(submissions: list[Submission]) -> list[object]:
    """Their texts."""
    return [submission.content["body"] for submission in submissions]


async def dispatch_all(sender: FastSender) -> None:
    """A message to each of several recipients."""
    for number, name in enumerate(NAMES):
        await sender.dispatch(make_command(name, phone=f"+6012345{number:04}"))


async def wait_for_all(sender: FastSender) -> None:
    """Each has its outcome."""
    await until(lambda: len(sender.outcomes()) == len(NAMES))


async def test_the_page_has_the_next_message_before_the_ack(sender: FastSender) -> None:
    """It names the one before it; the rest stays with the sender, and all are sent in their order."""
    calls = record_calls(sender)
    sender.driver.hold_submits()
    await dispatch_all(sender)
    await until(lambda: len(calls) == 2)
    await run_until_idle()
    assert bodies(calls) == NAMES[:2]
    assert calls[1].after == calls[0].whatsapp_id
    assert bodies(sender.driver.submissions) == NAMES[:1]
    sender.driver.release_submits()
    await wait_for_all(sender)
    assert [message.content["body"] for message in sender.driver.sent] == NAMES
    assert len(calls) == len(NAMES)


async def test_short_turns_give_the_page_more_ahead(sender: FastSender) -> None:
    """A few, and never more."""
    for name in ("warm", "up"):
        await sender.send(make_command(name))
    calls = record_calls(sender)
    sender.driver.hold_submits()
    await dispatch_all(sender)
    await until(lambda: len(calls) == 1 + MAX_SUBMITS_AHEAD)
    await run_until_idle()
    assert len(calls) == 1 + MAX_SUBMITS_AHEAD
    sender.driver.release_submits()
    await until(lambda: len(sender.outcomes()) == 2 + len(NAMES))


async def send_with_refusal(sender: FastSender, server_code: int) -> None:
    """The server refuses the first message while the page has the next ones."""
    sender.driver.hold_submits()
    sender.driver.refuse_next_submit(server_code)
    await dispatch_all(sender)
    await until(lambda: sender.driver.submissions)
    await run_until_idle()
    sender.driver.release_submits()
    await wait_for_all(sender)


async def test_a_restriction_stops_what_the_page_has(sender: FastSender) -> None:
    """The server refuses the account: nothing that was given ahead is sent, and the next messages are deferred."""
    await send_with_refusal(sender, 429)
    assert bodies(sender.driver.submissions) == NAMES[:1]
    assert sender.driver.sent == []
    codes = {
        outcome.result.error.code
        for outcome in sender.outcomes()
        if isinstance(outcome.result, Deferred)
    }
    assert codes == {"account_rate_limited"}


async def test_a_refused_message_costs_only_itself(sender: FastSender) -> None:
    """What was given ahead takes its turn once more, in the same order."""
    await send_with_refusal(sender, 404)
    assert await sender.wait_for_result(NAMES[0]) == Failed(
        error=Error("recipient_not_on_whatsapp", "404")
    )
    assert [message.content["body"] for message in sender.driver.sent] == NAMES[1:]
    assert all(isinstance(outcome.result, Sent) for outcome in sender.outcomes()[1:])


async def test_an_account_with_an_interval_has_nothing_ahead() -> None:
    """The interval runs from one submit to the next, so the page has one message at a time."""
    sender = FastSender(pace=Pace(interval_s=0.001, per_minute=0))
    await sender.open()
    calls = record_calls(sender)
    sender.driver.hold_submits()
    await dispatch_all(sender)
    await until(lambda: calls)
    await run_until_idle()
    assert len(calls) == 1
    sender.driver.release_submits()
    await wait_for_all(sender)
    assert [call.after for call in calls] == [None] * len(NAMES)
    await sender.close()


async def test_a_file_is_alone_in_the_page(sender: FastSender) -> None:
    """Its bytes are put there before its submit: it neither goes ahead nor has followers."""
    file = orjson.dumps({"type": "image", "body": "file", "mime": "image/png", "data": "aGVsbG8="})
    calls = record_calls(sender)
    sender.driver.hold_submits()
    await sender.dispatch(make_command("a"))
    await sender.dispatch(make_command("file", content=file))
    await sender.dispatch(make_command("b"))
    await until(lambda: calls)
    await run_until_idle()
    assert len(calls) == 1
    sender.driver.release_submits()
    await until(lambda: len(sender.outcomes()) == 3)
    assert [call.after for call in calls] == [None, None, None]


async def test_a_page_that_is_lost_with_messages_ahead(sender: FastSender) -> None:
    """Each is looked for in the next page before anything else: one message arrives for each."""
    sender.driver.hold_submits()
    await dispatch_all(sender)
    await until(lambda: sender.driver.submissions)
    await run_until_idle()
    sender.driver.set_phase(Phase.SYNCING)
    sender.driver.release_submits()
    sender.driver.set_phase(Phase.READY)
    await wait_for_all(sender)
    assert sorted(str(message.content["body"]) for message in sender.driver.sent) == NAMES
