"""What WhatsApp answered about a number is remembered, and forgotten as soon as WhatsApp says something else."""

import pytest

from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch
from streams.domain.phone.events import Failed, Result, Sent
from streams.domain.phone.state import Chat
from streams.testing.phone_world import PhoneWorld

CHAT = "60123456789@c.us"
GONE = Failed(error=Error("recipient_not_on_whatsapp", "404"))
NO_ANSWER = Failed(error=Error("lookup_failed"))
REFUSED = Failed(error=Error("media_rejected"))


@pytest.fixture
def world() -> PhoneWorld:
    return PhoneWorld()


def dispatched_chats(world: PhoneWorld) -> list[str | None]:
    return [effect.chat_id for effect in world.effects if isinstance(effect, Dispatch)]


def remembered(world: PhoneWorld) -> Chat | None:
    assert world.row is not None
    return world.row.chat


def test_a_number_that_left_whatsapp_is_looked_up_anew(world: PhoneWorld) -> None:
    """The refusal is the message's result; it is no look-up, so the next message asks WhatsApp."""
    world.submit("a")
    world.conclude(Sent(at_s=world.now_s), chat_id=CHAT)
    world.submit("b")
    world.conclude(GONE)
    world.submit("c")
    assert world.statuses("b") == ["accepted", "failed"]
    assert dispatched_chats(world) == [None, CHAT, None]
    world.conclude(GONE)  # this time it is the answer of a look-up
    world.submit("d")
    assert world.statuses("d") == ["accepted", "failed"]
    assert len(dispatched_chats(world)) == 3


def test_a_chat_that_does_not_open_is_looked_up_anew(world: PhoneWorld) -> None:
    """A retry with the same chat would fail in the same way."""
    world.submit("a")
    world.conclude(Sent(at_s=world.now_s), chat_id=CHAT)
    world.submit("b")
    world.conclude(NO_ANSWER)
    assert remembered(world) is None


@pytest.mark.parametrize("result", [GONE, NO_ANSWER])
def test_a_chat_that_is_refused_at_once_is_not_remembered(
    world: PhoneWorld, result: Result
) -> None:
    """The look-up of this attempt found the chat, and WhatsApp refuses it all the same."""
    world.submit("a")
    world.conclude(result, chat_id=CHAT)
    assert remembered(world) is None


@pytest.mark.parametrize("result", [REFUSED, Failed(error=Error("server_error"))])
def test_another_refusal_says_nothing_about_the_number(world: PhoneWorld, result: Result) -> None:
    """The chat stays remembered."""
    world.submit("a")
    world.conclude(Sent(at_s=world.now_s), chat_id=CHAT)
    world.submit("b")
    world.conclude(result)
    chat = remembered(world)
    assert chat is not None
    assert chat.chat_id == CHAT
