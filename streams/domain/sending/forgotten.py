"""What is left of a claim when its recipient is forgotten. Pure.

    the claim is of a message that     what is left of it
    --------------------------------   -----------------------------------------------------------------
    was sent, or may have been         its result, without number, id and chat, for a day
    was certainly not sent             nothing: another dispatch of it has a deadline
    was claimed after the request      all of it: it is to a recipient that was never seen before

So a command that is read twice after a crash sends nothing again, and today's count of the account stays right. A later
message with the same id would have the same WhatsApp id, so its recipient would drop it: it fails, and says why
(claim.py).
"""

from streams.domain.errors import Error
from streams.domain.phone.events import OutcomeUnknown, Sent
from streams.domain.sending.claim import Claim
from streams.domain.sending.claim_times import COUNTED_S


def is_to_forget(claim: Claim, phone: str, requested_at_s: float, before_offset: int = -1) -> bool:
    """Whether the claim is of this number, and older than the request: by its time, and by its message if known.

    Until the instruction is written, a message that was accepted after the request may have a claim.
    """
    if claim.phone != phone or claim.claimed_at_s > requested_at_s:
        return False
    is_known = claim.accepted_offset >= 0 and before_offset >= 0
    return not is_known or claim.accepted_offset < before_offset


def make_remainder(claim: Claim, now_s: float) -> Claim | None:
    """What is left of the claim; None: nothing."""
    latest_s = max(claim.claimed_at_s, claim.concluded_at_s)
    is_uncertain = claim.result is None or isinstance(claim.result, OutcomeUnknown)
    if latest_s + COUNTED_S <= now_s or not (is_uncertain or isinstance(claim.result, Sent)):
        return None
    at_s = claim.result.at_s if isinstance(claim.result, Sent | OutcomeUnknown) else latest_s
    unknown = OutcomeUnknown(at_s=at_s, error=Error("outcome_unknown", "it was forgotten"))
    return Claim(
        phone="",
        id="",
        dispatch_number=claim.dispatch_number,
        accepted_offset=claim.accepted_offset,
        claimed_at_s=claim.claimed_at_s,
        result=unknown if is_uncertain else claim.result,
        concluded_at_s=latest_s,
        receipt=claim.receipt,
        is_forgotten=True,
    )
