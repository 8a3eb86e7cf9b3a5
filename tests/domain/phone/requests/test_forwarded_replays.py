"""A dead letter of a recipient with two numbers is replayed under the other number: it is shown once, and answered."""

import pytest

from streams.domain.errors import Error
from streams.domain.phone.effects import PublishStatus
from streams.domain.phone.events import Failed, OutcomeUnknown, Result
from streams.domain.phone.state import State
from streams.domain.policy import Policy
from tests.domain.phone.recipients import Recipients, get_last_dispatch

WITH_NINE, WITHOUT = "+5541988887777", "+554188887777"
DAY_S = 86_400
FAILED = Failed(error=Error("media_rejected"))
UNKNOWN = OutcomeUnknown(at_s=1_000_000.0, error=Error("outcome_unknown"))


def make_dead_letter(result: Result, *, has_duplicates: bool = False) -> tuple[Recipients, str]:
    """A message ends under the recipient's own number, and then the other number has to be looked up again."""
    recipients = Recipients(
        policy=Policy(clock_skew_s=0.0),
        canonical={WITH_NINE: WITHOUT},
        has_duplicates=has_duplicates,
    )
    recipients.submit(WITH_NINE, "first")
    recipients.settle()
    recipients.now_s += 6 * DAY_S
    recipients.submit(WITH_NINE, "a")
    recipients.deliver()
    recipients.conclude(WITHOUT, result)
    while recipients.log:
        recipients.deliver()
    recipients.now_s += 2 * DAY_S  # the alias is a week old, the message two days
    return recipients, recipients.get(WITHOUT).messages["a"].dead_letter_id


@pytest.mark.parametrize("has_duplicates", [False, True])
def test_a_replay_is_shown_once(*, has_duplicates: bool) -> None:
    """The recipient takes it for the replay that it is, also if it is forwarded twice."""
    recipients, dead_letter_id = make_dead_letter(FAILED, has_duplicates=has_duplicates)
    recipients.submit(WITH_NINE, "a", replay_of=dead_letter_id)
    recipients.settle()
    assert recipients.shown_ids().count("a") == 1
    message = recipients.get(WITHOUT).messages["a"]
    assert (message.state, message.generation) == (State.SENT, 2)
    assert recipients.statuses_of("a")[-1] == (WITHOUT, "sent")


def test_a_dead_letter_is_replayed_once() -> None:
    """The second replay of it is a repeat, and is answered with what became of the first."""
    recipients, dead_letter_id = make_dead_letter(FAILED)
    for _ in range(2):
        recipients.submit(WITH_NINE, "a", replay_of=dead_letter_id)
        recipients.settle()
    assert recipients.shown_ids().count("a") == 1
    assert recipients.statuses_of("a")[-1] == (WITHOUT, "sent")


def test_a_forced_replay_allows_its_duplicate() -> None:
    """The first message may have arrived, and a person insists."""
    recipients, dead_letter_id = make_dead_letter(UNKNOWN)
    recipients.submit(WITH_NINE, "a", replay_of=dead_letter_id, allow_duplicate=True)
    recipients.settle()
    assert get_last_dispatch(recipients.get(WITHOUT).effects).allow_duplicate
    assert recipients.shown_ids().count("a") == 1


def test_what_ends_under_the_other_number_claims_nothing() -> None:
    """That number has no row of the first message, but the person who insists says what it was."""
    recipients, dead_letter_id = make_dead_letter(UNKNOWN)
    recipients.submit(WITH_NINE, "a", replay_of=dead_letter_id, allow_duplicate=True)
    recipients.conclude(WITH_NINE, FAILED)
    statuses = [e for e in recipients.get(WITH_NINE).effects if isinstance(e, PublishStatus)]
    assert (statuses[-1].id, statuses[-1].status) == ("a", "unknown")
