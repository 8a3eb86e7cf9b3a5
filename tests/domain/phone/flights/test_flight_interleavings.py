"""Two senders, a resolver and a crash in every order: no message is submitted by two accounts."""

from typing import Any

import pytest

from streams.domain.phone.effects import Dispatch
from streams.testing.phone_world import PhoneWorld
from tests.domain.phone.flights.flight_model import POLICY, READY, SMALL_STEP_S, Model
from tests.domain.phone.flights.flight_steps import move_on


def explore(max_models: int = 60_000, **options: Any) -> tuple[int, list[Model]]:
    """Every model that can be reached: how many, and those in which two accounts have submitted."""
    world = PhoneWorld(policy=POLICY, accounts={"a": READY["a"]})
    effects = world.submit("m")
    world.accounts = {"b": READY["b"]}  # `a` is down for the next dispatch
    dispatches = tuple(effect for effect in effects if isinstance(effect, Dispatch))
    first = Model(world, unpublished=dispatches, **options)
    seen, waiting, wrong = {first.key()}, [first], []
    while waiting and not wrong and len(seen) < max_models:
        for model in move_on(waiting.pop()):
            if (key := model.key()) in seen:
                continue
            seen.add(key)
            if len(model.submitted_by) > 1:
                wrong.append(model)
            else:
                waiting.append(model)
    assert wrong or not waiting, "the model is not small any more"
    return len(seen), wrong


def test_no_message_is_submitted_by_two_accounts() -> None:
    """Whatever the order: claims, deadlines, a crash that publishes a command again, and late answers."""
    count, wrong = explore()
    assert count > 1000
    assert wrong == []


def test_a_resolver_that_does_not_wait_is_found_out() -> None:
    """The model can show the fault: a command that is published again has a later deadline."""
    _, wrong = explore(is_careful=False, is_ordered=False)
    assert wrong


def test_no_message_is_submitted_by_two_accounts_after_the_clock_was_set_back() -> None:
    """Whenever that happens: a claim from before its command does not count, though it is before the deadline."""
    count, wrong = explore(steps=1)
    assert count > 1000
    assert wrong == []


def test_a_sender_that_accepts_a_claim_from_before_its_command_is_found_out() -> None:
    """The claims were read, the clock is set back, and a slow sender claims "in time"."""
    _, wrong = explore(steps=1, is_strict=False, is_ordered=False)
    assert wrong


SENDERS = ({}, {"other_writes": 1}, {"restarts": 1})


@pytest.mark.parametrize("sender", SENDERS, ids=["claims", "writes another row", "restarts"])
def test_a_clock_that_comes_back_to_a_command_does_not_let_it_be_submitted(
    sender: dict[str, int],
) -> None:
    """The claims were read, the clock is set back to before the deadline, and the sender wakes up."""
    count, wrong = explore(steps=1, step_s=SMALL_STEP_S, crashes=0, reads=1, **sender)
    assert count > 1000
    assert wrong == []


@pytest.mark.parametrize("sender", SENDERS, ids=["claims", "writes another row", "restarts"])
def test_a_sender_that_accepts_a_claim_behind_a_barrier_is_found_out(
    sender: dict[str, int],
) -> None:
    """Its append time lies between the command and the deadline, and says nothing."""
    _, wrong = explore(steps=1, step_s=SMALL_STEP_S, crashes=0, reads=1, is_ordered=False, **sender)
    assert wrong


@pytest.mark.parametrize("sender", SENDERS, ids=["claims", "writes another row", "restarts"])
def test_a_message_that_is_handed_over_before_its_deadline_is_submitted_once(
    sender: dict[str, int],
) -> None:
    """Its sender seemed to be lost, and goes on at any moment, or another process of the account does."""
    count, wrong = explore(is_early=True, crashes=0, steps=1, reads=1, **sender)
    assert count > 1000
    assert wrong == []


def test_a_message_that_is_handed_over_after_a_crash_is_submitted_once() -> None:
    """Its command may be published again until its row is marked."""
    count, wrong = explore(is_early=True, reads=1)
    assert count > 1000
    assert wrong == []


def test_a_barrier_that_does_not_say_what_it_is_about_is_found_out() -> None:
    """The process that recovers the table takes the barrier for one of an earlier deadline."""
    _, wrong = explore(is_early=True, has_offset=False, crashes=0, reads=1, restarts=1)
    assert wrong
