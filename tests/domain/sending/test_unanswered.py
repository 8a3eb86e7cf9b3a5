"""What the claim of a dispatch says about it when no sender answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Failed, OutcomeUnknown, Result, Sent
from streams.domain.phone.state import InFlight
from streams.domain.sending import claim as claims
from streams.domain.sending.claim import Claim, Conclude, OpenClaim, Reconcile
from streams.domain.sending.unanswered import result_of_unanswered
from tests.domain.sending.attempts import COMMAND, LATE_S

FLIGHT = InFlight(id="m1", account="main", dispatch_number=2, since_s=5.0, deadline_s=20.0)
OPEN = Claim(phone=COMMAND.phone, id="m1", dispatch_number=2, chat_id="c", claimed_at_s=6.0)
SENT = Sent(at_s=7.0)
FAILED = Failed(error=Error("media_rejected"))
DEFERRED = Deferred(error=Error("disconnected"), until_s=40.0)
UNKNOWN = OutcomeUnknown(at_s=7.0, error=Error("outcome_unknown"))
WINDOW_S = 1000.0


def resolve(
    claim: Claim | None,
    in_flight: InFlight = FLIGHT,
    *,
    is_alive: bool = False,
    now_s: float = LATE_S,
) -> Result:
    """The result, long after the deadline."""
    return result_of_unanswered(
        in_flight,
        claim,
        now_s=now_s,
        closes_at_s=LATE_S,
        idempotency_window_s=WINDOW_S,
        is_sender_alive=is_alive,
    )


def is_never_claimed(result: Result) -> bool:
    """Whether the message goes back to its phone, and any account may have it."""
    if not isinstance(result, Deferred):
        return False
    return result.error.is_deadline_exceeded and not result.in_doubt


def is_in_doubt(result: Result) -> bool:
    """Whether only its own account may have it."""
    return isinstance(result, Deferred) and result.in_doubt


def test_without_a_claim_it_goes_back() -> None:
    """Nothing was submitted and nothing will be: any account may take it."""
    assert is_never_claimed(resolve(None))


@pytest.mark.parametrize("number", [1, 2])
def test_an_open_claim_is_in_doubt(number: int) -> None:
    """It may have been sent, in this dispatch or an earlier one."""
    assert is_in_doubt(resolve(replace(OPEN, dispatch_number=number)))


@pytest.mark.parametrize("result", [SENT, FAILED, DEFERRED, UNKNOWN])
def test_a_concluded_claim_has_the_result(result: Result) -> None:
    """Only the outcome was lost, or is late."""
    assert resolve(replace(OPEN, result=result)) == result


@pytest.mark.parametrize("result", [None, FAILED, DEFERRED, UNKNOWN])
def test_a_receipt_proves_it_sent(result: Result | None) -> None:
    """Whatever else the row says."""
    claim = replace(OPEN, result=result, receipt="delivered")
    assert resolve(claim) == Sent(at_s=LATE_S)


@pytest.mark.parametrize(
    ("result", "is_claim_ignored"), [(SENT, False), (UNKNOWN, False), (FAILED, True), (DEFERRED, True)]
)  # fmt: skip
def test_the_result_of_an_earlier_dispatch(result: Result, *, is_claim_ignored: bool) -> None:
    """It holds for the message if something may have been sent, and for nothing more."""
    resolved = resolve(replace(OPEN, dispatch_number=1, result=result))
    assert is_never_claimed(resolved) if is_claim_ignored else resolved == result


def test_a_person_has_allowed_a_duplicate() -> None:
    """An earlier `unknown` does not hold up the replay of its dead letter."""
    in_flight = replace(FLIGHT, allow_duplicate=True)
    assert is_never_claimed(resolve(replace(OPEN, dispatch_number=1, result=UNKNOWN), in_flight))


def test_an_attempt_that_follows_from_the_permitted_one_has_no_permission() -> None:
    """Its earlier attempt may have sent the message, so it does not go to another account."""
    in_flight = replace(FLIGHT, allow_duplicate=True, is_in_doubt=True)
    assert resolve(replace(OPEN, dispatch_number=1, result=UNKNOWN), in_flight) == UNKNOWN


def test_a_missing_row_of_a_message_in_doubt_proves_nothing() -> None:
    """Its claim was there when it came in doubt: it stays with its account."""
    assert is_in_doubt(resolve(None, replace(FLIGHT, is_in_doubt=True)))


def test_a_missing_row_of_an_old_dispatch_proves_nothing() -> None:
    """A sender removes rows when their window is over."""
    in_flight = replace(FLIGHT, since_s=LATE_S - WINDOW_S)
    assert isinstance(resolve(None, in_flight), OutcomeUnknown)


def test_a_claim_that_may_still_be_in_time_is_in_doubt() -> None:
    """The broker's clock was set back, so the deadline is not over for its sender."""
    assert is_in_doubt(resolve(None, now_s=LATE_S - 1))
    assert is_in_doubt(resolve(replace(OPEN, dispatch_number=1, result=FAILED), now_s=LATE_S - 1))
    assert resolve(replace(OPEN, result=FAILED), now_s=LATE_S - 1) == FAILED


def test_it_counts_how_often_a_living_sender_does_not_answer() -> None:
    """A sender that is down is not at fault."""
    assert resolve(None, is_alive=True) == replace(resolve(None), is_unanswered=True)
    assert resolve(replace(OPEN, result=SENT), is_alive=True) == SENT


@given(
    number=st.integers(1, 4),
    result=st.sampled_from([None, SENT, FAILED, DEFERRED, UNKNOWN]),
    receipt=st.sampled_from(claims.ROW_RECEIPTS),
    is_allowed=st.booleans(),
)
def test_a_late_sender_answers_the_same(
    number: int, result: Result | None, receipt: claims.RowReceipt, *, is_allowed: bool
) -> None:
    """Whoever answers, what may have been sent never goes to another account."""
    command = replace(COMMAND, allow_duplicate=is_allowed)
    claim = replace(OPEN, dispatch_number=number, result=result, receipt=receipt)
    resolved = resolve(claim, replace(FLIGHT, allow_duplicate=is_allowed))
    match claims.decide(command, claim, LATE_S):
        case OpenClaim():
            raise AssertionError("nothing is claimed after the deadline")
        case Reconcile():
            is_replay = is_allowed and isinstance(result, OutcomeUnknown)
            assert is_in_doubt(resolved) or is_replay
        case Conclude(answer) if number <= command.dispatch_number:
            assert isinstance(answer, type(resolved))
            assert not isinstance(answer, Deferred) or is_in_doubt(answer) == is_in_doubt(resolved)
        case Conclude():
            assert isinstance(resolved, type(result)) or receipt or result is None
