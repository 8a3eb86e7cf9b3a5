"""What the page's store says about a message in doubt, and what is done about it: one table, and it in code. Pure.

    the lookup               and                         decision
    ----------------------   -------------------------   ------------------------------------------
    any                      the row has a receipt       Conclude sent
    gave no answer: the                                  Conclude deferred, in doubt
    session is not ready,
    or has no link any more
    in the store, ack ≥ 1                                Conclude sent
    in the store, pending    claimed a short time ago    Conclude deferred, in doubt, until a time that
                                                         grows with the age of the claim
    in the store, pending    claimed a long time ago     AskToReconnect, then the same
    in the store, failed     another link, and no        Conclude outcome unknown
    or left at ack 0; or     duplicate allowed
    not in the store
    in the store, failed     the server has refused it   RefusedLate: as SubmitRefused, of a message that
                             since its submit ended,     may have arrived before
                             or in an earlier page
    failed, left, or not     in time, a submit left      SubmitAgain
    in the store
    the same                 too late                    Conclude deferred, in doubt
    the same                 no submit left              Conclude deferred, in doubt, until a time that
                                                         grows with the age of the claim

A pending message is never submitted again: this page sends it at each reconnect until the server acks it,
and the ack is reported as a receipt. Nothing waits for that here, so it does not hold up the account. For the same
reason a late refusal does not prove that nothing arrived: the page may have sent the message on an earlier connection,
too, and lost the ack. So a late refusal for good ends as `unknown`, and not as `failed`. A message
that fails, or is refused, each time it is submitted is submitted a few dozen times in the hour after which it is given
up: the gaps grow (submit_history.py).

Under another link, even a message that the store still has is not submitted again: nothing shows that a recipient
drops an id that another device of the sender has used. A page that is killed in the middle of its logout can leave one.

Times are epoch seconds.
"""

from typing import Final

import msgspec

from streams.domain.phone.events import Result, Sent
from streams.domain.sending.claim import Claim, Conclude, is_duplicate_allowed
from streams.domain.sending.command import SendCommand
from streams.domain.sending.results import in_doubt_result, unknown_result

MAX_SUBMITS: Final = 2  # of one dispatch; the second only after a lookup
# The page is asked to reconnect for a message that is still pending this long after its claim. WhatsApp Web
# itself notices a dead connection after 20 s.
STALL_TIMEOUT_S: Final = 60.0
MIN_PENDING_DELAY_S: Final = 1.0
MAX_PENDING_DELAY_S: Final = 60.0
MAX_RESUBMIT_DELAY_S: Final = 600.0


# -- what the page's store says of an id


class InStore(msgspec.Struct, frozen=True):
    """The id is there. `ack` ≥ 1: the server has it, < 0: it failed.

    `is_pending`: the ack is 0, and this page sends the message at each reconnect. An ack of 0 that is not
    pending was left by an earlier page, and nothing sends it but a new submit.
    """

    ack: int
    is_pending: bool = False
    server_code: int | None = (
        None  # it failed because the server has refused it, late; reported once (refusals.py)
    )


class NotInStore(msgspec.Struct, frozen=True):
    """The store of this link does not have the id."""


class LookupUnavailable(msgspec.Struct, frozen=True):
    """The store could not be read: the session is not ready, or the page failed."""

    detail: str


StoreLookup = InStore | NotInStore | LookupUnavailable


# -- what to do next


class SubmitAgain(msgspec.Struct, frozen=True):
    """The message has not left: submit it under the id that it has."""


class RefusedLate(msgspec.Struct, frozen=True):
    """The server refused it after its submit had given up: as if it refused a submit of now."""

    server_code: int


class AskToReconnect(msgspec.Struct, frozen=True):
    """The page has had the message for long, without an ack: have it reconnect, then conclude with this."""

    result: Result


# -- the decision


def after_lookup(
    command: SendCommand,
    claim: Claim,
    lookup: StoreLookup,
    *,
    link: str | None,
    submit_count: int,
    now_s: float,
) -> SubmitAgain | RefusedLate | AskToReconnect | Conclude:
    """What a lookup means for an attempt in doubt, after `submit_count` submits of this dispatch."""
    if claim.receipt:
        return Conclude(Sent(at_s=now_s))
    match lookup:
        case LookupUnavailable(detail):
            return Conclude(in_doubt_result(detail))
        case InStore(ack) if ack >= 1:
            return Conclude(Sent(at_s=now_s))
        case InStore(0, is_pending=True):
            return _decide_pending(claim, now_s)
        case _ if link is None:
            return Conclude(in_doubt_result("the session ended during the look-up"))
        case _ if claim.link != link and not is_duplicate_allowed(command, claim):
            detail = "the account has been linked again since the attempt"
            return Conclude(unknown_result(detail, now_s))
        case InStore(server_code=int() as server_code):
            return RefusedLate(server_code)
        case _:
            return _decide_resubmit(command, claim, submit_count, now_s)


def resubmit_delay_s(claimed_at_s: float, now_s: float) -> float:
    """How long a message that was submitted again and is still in doubt waits for the next submit."""
    return _delay_s(claimed_at_s, now_s, MAX_RESUBMIT_DELAY_S)


def _decide_resubmit(
    command: SendCommand, claim: Claim, submit_count: int, now_s: float
) -> SubmitAgain | Conclude:
    if now_s >= command.deadline_s:
        return Conclude(in_doubt_result("too late to be submitted again"))
    if submit_count >= MAX_SUBMITS:
        until_s = now_s + resubmit_delay_s(claim.claimed_at_s, now_s)
        detail = "it was submitted twice, and the server has neither"
        return Conclude(in_doubt_result(detail, until_s))
    return SubmitAgain()


def _decide_pending(claim: Claim, now_s: float) -> AskToReconnect | Conclude:
    """It is looked for again soon at first, then less often: its ack ends the doubt as soon as it comes."""
    until_s = now_s + _delay_s(claim.claimed_at_s, now_s, MAX_PENDING_DELAY_S)
    result = in_doubt_result("the page has it, and the server has not acked it", until_s)
    is_stalled = _age_s(claim.claimed_at_s, now_s) >= STALL_TIMEOUT_S
    return AskToReconnect(result) if is_stalled else Conclude(result)


def _delay_s(claimed_at_s: float, now_s: float, max_s: float) -> float:
    """Half the age of the claim, so that a doubt costs fewer and fewer attempts."""
    return min(max(_age_s(claimed_at_s, now_s) / 2, MIN_PENDING_DELAY_S), max_s)


def _age_s(claimed_at_s: float, now_s: float) -> float:
    """A stored time is never after now: the broker's clock may have been set back."""
    return max(now_s - claimed_at_s, 0.0)
