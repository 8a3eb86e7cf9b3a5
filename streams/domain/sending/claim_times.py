"""The times of a claim: until when its row is kept, and when its message counts as sent. Pure. Epoch seconds."""

from typing import Final

from msgspec.structs import replace

from streams.domain.phone.events import Deferred, Moved, OutcomeUnknown, Sent
from streams.domain.sending.claim import Claim

COUNTED_S: Final = 86_400.0  # the day for which an account's messages are counted
DEFERRED_RETENTION_S: Final = 3600.0  # far more than a sender may hold a dispatch


def claim_expires_at_s(claim: Claim, idempotency_window_s: float) -> float:
    """When the row is no longer needed: no dispatch and no receipt of it will come, and it is not counted any more."""
    if claim.is_forgotten:
        return claim.concluded_at_s + COUNTED_S
    if claim.is_open:
        return claim.claimed_at_s + max(idempotency_window_s, COUNTED_S)
    if isinstance(claim.result, Deferred | Moved):
        return claim.concluded_at_s + min(DEFERRED_RETENTION_S, idempotency_window_s)
    is_counted = isinstance(claim.result, Sent | OutcomeUnknown)
    return claim.concluded_at_s + max(idempotency_window_s, COUNTED_S if is_counted else 0.0)


def is_only_counted(claim: Claim, idempotency_window_s: float, now_s: float) -> bool:
    """Whether the row is kept for the account's count alone: its id may be that of a new message by now."""
    if claim.is_open or claim.is_forgotten:
        return False
    return claim.concluded_at_s + idempotency_window_s <= now_s


def clamp_times(claim: Claim, now_s: float) -> Claim:
    """The row without times that lie after now: the broker's clock has been set back since it was written.

    Otherwise the row would be kept for as long as that step was.
    """
    claimed_at_s = min(claim.claimed_at_s, now_s)
    return replace(
        claim, claimed_at_s=claimed_at_s, concluded_at_s=min(claim.concluded_at_s, now_s)
    )


def find_send_time_s(claim: Claim) -> float | None:
    """When its message was sent, or may have been; None: it was certainly not.

    A row's time is an append time of the log, or the sender's estimate of the time at which the broker would append a
    record (sender/clock.py). No host's wall clock has a part in it.
    """
    if isinstance(claim.result, Sent | OutcomeUnknown):
        return claim.result.at_s
    return claim.claimed_at_s if claim.is_open else None
