"""What became of a dispatch that no sender answers, read from its claim. Pure.

A sender submits nothing without a claim that the broker has appended before the deadline, and before a barrier for the
dispatch (resolved.py). So behind either the claims decide, and nothing is guessed:

    the row of its WhatsApp id              result
    -------------------------------------   ----------------------------------------------------------
    left of a forgotten message of this id  failed: the id is used, and nothing was submitted
    has a receipt                           sent
    open, of this or an earlier dispatch    deferred, in doubt: only its own account can reconcile it
    a result of this dispatch               that result
    sent, of an earlier dispatch            sent
    unknown, of an earlier dispatch         unknown; as if there were no row if a duplicate is allowed
                                            and this is the first attempt to send it
    failed or deferred, of an earlier one   deferred, deadline_exceeded: never claimed, so not sent
    none                                    the same
    the last two, read too early            deferred, in doubt: the broker's clock was set back
    none, and it was to be reconciled       deferred, in doubt: its row should be there
    none, and rows of its age are removed   unknown

A sender that gets the command after its deadline answers the same (claim.py), except that it may reconcile.
"""

from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, OutcomeUnknown, Result, Sent
from streams.domain.phone.state import InFlight
from streams.domain.sending.claim import MISSING_CLAIM_DETAIL, Claim, is_of_forgotten
from streams.domain.sending.results import already_used_result, in_doubt_result, unknown_result


def result_of_unanswered(
    in_flight: InFlight,
    claim: Claim | None,
    *,
    now_s: float,
    closes_at_s: float,
    idempotency_window_s: float,
    is_sender_alive: bool,
) -> Result:
    """The outcome of the dispatch. `claim`: its row, as it was at the append time `now_s`.

    From `closes_at_s` on no claim is in time; 0: it was read up to a barrier, behind which no claim counts.
    """
    if claim is None:
        result = _result_without_row(in_flight, now_s, idempotency_window_s)
    else:
        result = _result_of_row(in_flight, claim, now_s)
    if isinstance(result, Deferred) and not result.in_doubt and now_s < closes_at_s:
        detail = "a claim may still be in time: the broker's clock was set back"
        result = replace(in_doubt_result(detail), is_unread=True)
    if isinstance(result, Deferred) and is_sender_alive:
        return replace(result, is_unanswered=True)
    return result


def _result_without_row(in_flight: InFlight, now_s: float, idempotency_window_s: float) -> Result:
    if now_s >= in_flight.since_s + idempotency_window_s:
        return unknown_result("the claims of its time are not kept any more", now_s)
    if in_flight.is_in_doubt:
        return replace(in_doubt_result(MISSING_CLAIM_DETAIL), is_unread=True)
    return _never_claimed()


def _result_of_row(in_flight: InFlight, claim: Claim, now_s: float) -> Result:
    if is_of_forgotten(claim, in_flight.accepted_offset):
        return already_used_result()
    if claim.receipt and not isinstance(claim.result, Sent):
        return Sent(at_s=now_s)
    if claim.result is None:
        return in_doubt_result("its sender did not answer, and it may have been sent")
    is_its_result = claim.dispatch_number >= in_flight.dispatch_number
    if is_its_result or isinstance(claim.result, Sent):
        return claim.result
    if isinstance(claim.result, OutcomeUnknown) and not _may_replay(in_flight):
        return claim.result
    return _never_claimed()


def _may_replay(in_flight: InFlight) -> bool:
    """Whether it is the first attempt of a message that a person sends again; one in doubt follows from that."""
    return in_flight.allow_duplicate and not in_flight.is_in_doubt


def _never_claimed() -> Deferred:
    return Deferred(error=Error("deadline_exceeded", "no sender has claimed it in time"))
