"""The account is held back while an attempt, already allowed, waits for something else: it submits nothing any more."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from streams.domain.accounts.requests import AccountRequest
from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Sent
from streams.sender.attempts.submitter import Fence
from streams.whatsapp.driver import NewChatQuota, Phase
from tests.sender.conftest import open_sender
from tests.sender.fast import FastSender, make_command, run_until_idle, until

NAMES = [f"m{number}" for number in range(4)]
Hold = Callable[[FastSender], None]


class SlowFence(Fence):
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.is_asked = False
        self.may_answer = asyncio.Event()

    async def ensure_member(self) -> None:
        """Wait for the test."""
        self.is_asked = True
        await self.may_answer.wait()

    def heartbeat_age_s(self) -> float | None:
        """A fresh heartbeat."""
        return 0.0


@pytest.fixture
def fence() -> SlowFence:
    """The fence of the sender."""
    return SlowFence()


@pytest.fixture
async def sender(fence: SlowFence) -> AsyncIterator[FastSender]:
    """An open sender whose session is ready."""
    async with open_sender(fence=fence) as sender:
        yield sender


def pause(sender: FastSender) -> None:
    """A person pauses the account."""
    request = AccountRequest(account="main", requested="paused", by="me", at_s=sender.now_s)
    sender.restrictions.apply_request(request)


def resume(sender: FastSender) -> None:
    """A person resumes it."""
    request = AccountRequest(account="main", requested="active", by="me", at_s=sender.now_s)
    sender.restrictions.apply_request(request)


def lose_admission(sender: FastSender) -> None:
    """The page is ready, and its number turns out not to be that of the account."""
    session = sender.session
    session._admit = lambda state: type(state)(Phase.LINKING, link=state.link)
    session.apply_admission()


@pytest.mark.parametrize(
    ("hold", "code"), [(pause, "account_restricted"), (lose_admission, "not_logged_in")]
)
async def test_a_pause_while_the_fence_is_asked(
    sender: FastSender, fence: SlowFence, hold: Hold, code: str
) -> None:
    """The message goes back unsent, and not in doubt: another account may have it."""
    await sender.dispatch(make_command("a"))
    await until(lambda: fence.is_asked)
    hold(sender)
    fence.may_answer.set()
    result = await sender.wait_for_result("a")
    assert isinstance(result, Deferred)
    assert (result.error.code, result.in_doubt) == (code, False)
    assert sender.driver.submissions == []


async def test_a_restriction_while_the_fence_is_asked(sender: FastSender, fence: SlowFence) -> None:
    """As a late refusal of another message begins one."""
    await sender.dispatch(make_command("a"))
    await until(lambda: fence.is_asked)
    await sender.restrictions.restrict(
        Error("account_rate_limited"), sender.session.state.link, sender.now_s
    )
    fence.may_answer.set()
    assert isinstance(await sender.wait_for_result("a"), Deferred)
    assert sender.driver.submissions == []


async def test_a_pause_while_the_page_says_that_the_chat_is_new(
    sender: FastSender, fence: SlowFence
) -> None:
    """A message to a stranger is given to the page twice: the second time would send it."""
    fence.may_answer.set()
    sender.driver.restrict_new_chats(quota=NewChatQuota(10, 1, None, is_used_up=False))
    await run_until_idle()
    sender.driver.hold_submits()
    await sender.dispatch(make_command("a"))
    await until(lambda: sender.driver.submissions)
    pause(sender)
    sender.driver.release_submits()
    result = await sender.wait_for_result("a")
    assert isinstance(result, Deferred)
    assert result.error == Error("account_restricted", "paused")
    assert [each.is_new_chat_allowed for each in sender.driver.submissions] == [False]
    assert sender.driver.sent == []


async def fill_page(sender: FastSender, fence: SlowFence) -> None:
    """The page has begun a message, and has others ahead of their turn."""
    fence.may_answer.set()
    sender.driver.hold_submits()
    for number, name in enumerate(NAMES):
        await sender.dispatch(make_command(name, phone=f"+6012345{number:04}"))
    await until(lambda: sender.driver._waiting_turns)


async def test_a_pause_stops_what_the_page_has_ahead(sender: FastSender, fence: SlowFence) -> None:
    """What it has begun goes on; what waits behind that is sent after the pause, and once."""
    await fill_page(sender, fence)
    pause(sender)
    await sender.runner.stop_turns()
    sender.driver.release_submits()
    await until(lambda: len(sender.outcomes()) == len(NAMES))
    assert isinstance(await sender.wait_for_result(NAMES[0]), Sent)
    assert [message.content["body"] for message in sender.driver.sent] == NAMES[:1]
    resume(sender)
    assert isinstance(
        await sender.send(make_command(NAMES[1], number=2, phone="+60123450001")), Sent
    )


async def test_turns_go_on_while_the_account_may_send(sender: FastSender, fence: SlowFence) -> None:
    """An instruction that holds nothing back stops nothing."""
    await fill_page(sender, fence)
    await sender.runner.stop_turns()
    assert all(not stop.done() for stop in sender.driver._waiting_turns)
    sender.driver.release_submits()
    await until(lambda: len(sender.driver.sent) == len(NAMES))
