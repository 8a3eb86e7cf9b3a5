"""A replay of a message that may have arrived: that is never forgotten, and a duplicate is allowed for nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch, PublishDeadLetter, PublishStatus
from streams.domain.phone.events import (
    CancelRequested,
    ConsentRequested,
    ConsentStatus,
    Failed,
    OutcomeUnknown,
    ScheduleDue,
    SourceRecord,
)
from streams.domain.phone.state import State
from streams.domain.policy import Policy
from streams.testing.phone_world import PHONE, READY, PhoneWorld
from tests.domain.phone.lifecycle.causes import give_receipt

UNKNOWN = OutcomeUnknown(at_s=1_000_000.0, error=Error("outcome_unknown"))
GONE = {"main": Capacity(is_ready=False, free_slots=0, is_removed=True)}


@pytest.fixture
def world() -> PhoneWorld:
    return PhoneWorld(policy=Policy(max_queue=2))


def decide_consent(world: PhoneWorld, consent: ConsentStatus) -> None:
    """An operator decides."""
    record = SourceRecord(topic="wa.outbound", partition=9, offset=world.offset)
    event = ConsentRequested(phone=PHONE, consent=consent, request_id="r", source_record=record)
    world.apply(event)


def cancel(world: PhoneWorld) -> None:
    """The caller withdraws `a`."""
    record = SourceRecord(topic="wa.outbound", partition=8, offset=world.offset)
    world.apply(CancelRequested(phone=PHONE, id="a", cancel_id="c", source_record=record))


def replay(world: PhoneWorld, **fields: Any) -> None:
    """Replay the newest dead letter of `a`."""
    world.submit("a", replay_of=world.messages["a"].dead_letter_id, **fields)


def last_dispatch(world: PhoneWorld) -> Dispatch:
    return [effect for effect in world.effects if isinstance(effect, Dispatch)][-1]


def last_dead_letter(world: PhoneWorld) -> PublishDeadLetter:
    return world.dead_letters()[-1]


def last_status(world: PhoneWorld) -> PublishStatus:
    return [effect for effect in world.effects if isinstance(effect, PublishStatus)][-1]


# -- what allows a duplicate


def test_the_replay_of_a_rejected_message_allows_no_duplicate(world: PhoneWorld) -> None:
    """Nobody was asked, and nothing was sent before."""
    world.accounts = {}
    world.submit("a", category="marketing")
    decide_consent(world, "opted_out")
    assert world.messages["a"].state is State.REJECTED
    decide_consent(world, "opted_in")
    world.accounts = READY
    replay(world, category="marketing")
    assert not last_dispatch(world).allow_duplicate


def test_a_forced_replay_of_a_failed_message_allows_no_duplicate(world: PhoneWorld) -> None:
    """It certainly was not sent, whatever the person insists on."""
    world.submit("a")
    world.conclude(Failed(error=Error("media_rejected")))
    replay(world, allow_duplicate=True)
    assert not last_dispatch(world).allow_duplicate
    world.conclude(Failed(error=Error("media_rejected")))
    assert last_dead_letter(world).outcome == "not_sent"


# -- a replay that is refused


def fill_queue(world: PhoneWorld) -> None:
    world.accounts = {"main": Capacity(is_ready=False, free_slots=0)}
    world.submit("b")
    world.submit("c")


def remove_account(world: PhoneWorld) -> None:
    world.accounts = GONE


def opt_out(world: PhoneWorld) -> None:
    decide_consent(world, "opted_out")


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (fill_queue, "queue_full"),
        (remove_account, "unknown_account"),
        (opt_out, "recipient_opted_out"),
    ],
)
@pytest.mark.parametrize("is_proved", [False, True])
def test_the_dead_letter_of_a_refused_replay_says_unknown(
    world: PhoneWorld, prepare: Callable[[PhoneWorld], None], code: str, *, is_proved: bool
) -> None:
    """The first message may have arrived, or has; the command line asks for `--force` again."""
    fields: dict[str, Any] = {"category": "marketing", "account": "main"}
    world.submit("a", **fields)
    world.conclude(UNKNOWN)
    if is_proved:
        give_receipt(world, "delivered")
    prepare(world)
    replay(world, allow_duplicate=True, **fields)
    letter = last_dead_letter(world)
    assert (letter.error.code, letter.outcome) == (code, "unknown")


def test_the_dead_letter_of_a_refused_request_says_not_sent(world: PhoneWorld) -> None:
    """There was no message before."""
    fill_queue(world)
    world.submit("a")
    assert last_dead_letter(world).outcome == "not_sent"


# -- a replay that ends


def fail(world: PhoneWorld) -> None:
    replay(world, allow_duplicate=True)
    world.conclude(Failed(error=Error("media_rejected")))


def withdraw(world: PhoneWorld) -> None:
    world.accounts = {}
    replay(world, allow_duplicate=True)
    cancel(world)


def withdraw_scheduled(world: PhoneWorld) -> None:
    replay(world, allow_duplicate=True, send_at_s=world.now_s + 100)
    cancel(world)


def expire(world: PhoneWorld) -> None:
    world.accounts = {}
    replay(world, allow_duplicate=True, expires_at_s=world.now_s + 10)
    world.now_s += 10
    world.apply(ScheduleDue(phone=PHONE, id="a"))


def reject(world: PhoneWorld) -> None:
    world.accounts = {}
    replay(world, allow_duplicate=True, category="marketing")
    opt_out(world)


def reject_scheduled(world: PhoneWorld) -> None:
    replay(world, allow_duplicate=True, category="marketing", send_at_s=world.now_s + 100)
    opt_out(world)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (reject, "recipient_opted_out"),
        (reject_scheduled, "recipient_opted_out"),
        (fail, "media_rejected"),
        (withdraw, "cancelled"),
        (withdraw_scheduled, "cancelled"),
        (expire, "expired"),
    ],
)
@pytest.mark.parametrize("is_proved", [False, True])
def test_nothing_says_that_it_was_not_sent(
    world: PhoneWorld, end: Callable[[PhoneWorld], None], reason: str, *, is_proved: bool
) -> None:
    """It ends as unknown, the detail says how, and a receipt still corrects it."""
    world.submit("a")
    world.conclude(UNKNOWN)
    if is_proved:
        give_receipt(world, "delivered")
    end(world)
    status = last_status(world)
    assert status.status == "unknown"
    assert status.error is not None
    assert status.error.code == "outcome_unknown"
    assert status.error.detail.startswith(reason)
    assert last_dead_letter(world).outcome == "unknown"
    give_receipt(world, "delivered")
    assert world.statuses("a")[-2:] == ["sent", "delivered"]


def test_the_next_replay_remembers_it_too(world: PhoneWorld) -> None:
    """Each generation allows the duplicate again, and none of them claims that nothing was sent."""
    world.submit("a")
    world.conclude(UNKNOWN)
    for _ in range(3):
        fail(world)
        assert world.messages["a"].state is State.UNKNOWN
    assert last_dispatch(world).allow_duplicate


def test_the_next_replay_after_an_opt_out_is_refused(world: PhoneWorld) -> None:
    """That says nothing of the message: its receipt still follows, and the dead letter leaves it open."""
    world.submit("a", category="marketing")
    world.conclude(UNKNOWN)
    reject(world)
    replay(world, allow_duplicate=True, category="marketing")
    assert last_status(world).status == "rejected"
    assert last_dead_letter(world).outcome == "unknown"
    give_receipt(world, "delivered")
    assert world.statuses("a")[-2:] == ["sent", "delivered"]


def test_a_person_who_insists_is_believed_if_the_row_is_gone(world: PhoneWorld) -> None:
    """The message was forgotten long ago; its dead letter was not."""
    world.submit("a", replay_of="wa.outbound:0:1", allow_duplicate=True)
    world.conclude(Failed(error=Error("media_rejected")))
    assert last_status(world).status == "unknown"
    assert last_dead_letter(world).outcome == "unknown"
