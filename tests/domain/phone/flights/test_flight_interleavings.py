"""Two senders, a resolver and a crash in every order: no message is submitted by two accounts."""

from streams.domain.phone.effects import Dispatch
from streams.testing.phone_world import PhoneWorld
from tests.domain.phone.flights.flight_model import POLICY, READY, Model, move_on


def explore(
    *, is_careful: bool = True, steps: int = 0, is_strict: bool = True, max_models: int = 60_000
) -> tuple[int, list[Model]]:
    """Every model that can be reached: how many, and those in which two accounts have submitted."""
    world = PhoneWorld(policy=POLICY, accounts={"a": READY["a"]})
    effects = world.submit("m")
    world.accounts = {"b": READY["b"]}  # `a` is down for the next dispatch
    dispatches = tuple(effect for effect in effects if isinstance(effect, Dispatch))
    first = Model(
        world, unpublished=dispatches, is_careful=is_careful, steps=steps, is_strict=is_strict
    )
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
    _, wrong = explore(is_careful=False)
    assert wrong


def test_no_message_is_submitted_by_two_accounts_after_the_clock_was_set_back() -> None:
    """Whenever that happens: a claim from before its command does not count, though it is before the deadline."""
    count, wrong = explore(steps=1)
    assert count > 1000
    assert wrong == []


def test_a_sender_that_accepts_a_claim_from_before_its_command_is_found_out() -> None:
    """The claims were read, the clock is set back, and a slow sender claims "in time"."""
    _, wrong = explore(steps=1, is_strict=False)
    assert wrong
