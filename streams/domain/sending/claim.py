"""How a dispatch becomes at most one message: the row of `sends`, and the next decision, as tables.

A claim is durable before the page is given the message, and stays open until its result is stored. An
open claim means that the message may have left: only a lookup in the page's store may lead to a second
submit. The second one has the same WhatsApp id, and a recipient that has the message drops it.

    a dispatch comes         its row                     decision
    ----------------------   -------------------------   ------------------------------------------
    of a later message       is left of a forgotten      Conclude failed: its id is used, so its recipient
                             one, sent or unknown        would drop it
    any                      has a receipt               Conclude sent: it arrived, whatever else the
                                                         row says
    claimed before           none                        Conclude deferred, in doubt: its row is lost, and
                                                         proves nothing
    before its deadline      none                        OpenClaim
    after it                 none                        Conclude deferred, deadline_exceeded
    number below the row's   sent or outcome unknown     Conclude with that result
    number below the row's   any other                   Conclude deferred: nothing waits for it
    same number or higher    open                        Reconcile
    same number              has a result                Conclude with the same result
    any                      sent                        Conclude with the same result
    higher                   outcome unknown             Conclude with the same result; Reconcile if a
                                                         person has allowed a duplicate, and no attempt
                                                         has used this permission
    higher                   failed, deferred            as if there were no row

What a lookup of an open claim means: reconciliation.py.

Rows are stored: a field may be added with a default, and no field is renamed. Times are epoch seconds.
"""

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.phone.events import (
    Deferred,
    OutcomeUnknown,
    ReceiptKind,
    Result,
    Sent,
)
from streams.domain.sending.command import SendCommand
from streams.domain.sending.results import already_used_result, in_doubt_result
from streams.domain.stored import Codec, Stored

# Two brokers lead the topics of the command and of the claim, and their clocks differ by this at most.
MAX_BROKER_SKEW_S: Final = 5.0
MISSING_CLAIM_DETAIL: Final = "the claim of its earlier attempt is missing"

RowReceipt = Literal[""] | ReceiptKind
ROW_RECEIPTS: Final[tuple[RowReceipt, ...]] = ("", "sent", "delivered", "read", "played")


class Claim(Stored, frozen=True):
    """The row of one WhatsApp id. Without `claimed_at_s` it only remembers a result."""

    phone: str
    id: str
    dispatch_number: int  # the latest one known
    accepted_offset: int = -1  # of the message (state.py)
    chat_id: str | None = None
    link: str | None = None  # of the session under which it was claimed
    claimed_at_s: float = 0.0
    allow_duplicate: bool = False  # claimed because a person has allowed a duplicate
    permitted_generation: int = 0  # of the message: its permission has been used
    may_have_arrived: bool = (
        False  # a copy of it was in a store, or was submitted under another link
    )
    result: Result | None = None  # None: open
    concluded_at_s: float = 0.0
    is_forgotten: bool = False  # what is left of it (forgotten.py)
    receipt: RowReceipt = ""  # the furthest one; any of them proves that the message arrived

    @property
    def is_open(self) -> bool:
        """Whether the message may have left, without a result."""
        return self.result is None


# -- what to do next


class OpenClaim(msgspec.Struct, frozen=True):
    """The message cannot have left: make a claim durable, then submit."""


class Reconcile(msgspec.Struct, frozen=True):
    """The message may have left: look for its id before anything else is done."""


class Conclude(msgspec.Struct, frozen=True):
    """Nothing more is done for this dispatch."""

    result: Result


# -- the decisions


def decide(
    command: SendCommand, claim: Claim | None, now_s: float
) -> OpenClaim | Reconcile | Conclude:
    """What to do with a dispatch, given its row."""
    if claim is None and command.was_claimed:
        return Conclude(in_doubt_result(MISSING_CLAIM_DETAIL))
    if claim is None:
        return _decide_new(command, now_s)
    if is_of_forgotten(claim, command.accepted_offset):
        return Conclude(already_used_result())
    if claim.receipt and not isinstance(claim.result, Sent):
        return Conclude(Sent(at_s=now_s))
    if command.dispatch_number < claim.dispatch_number:
        return Conclude(_superseded_result(claim))
    if claim.result is None:
        return Reconcile()
    if command.dispatch_number == claim.dispatch_number or isinstance(claim.result, Sent):
        return Conclude(claim.result)
    if isinstance(claim.result, OutcomeUnknown):
        return Reconcile() if is_duplicate_allowed(command, claim) else Conclude(claim.result)
    return _decide_new(command, now_s)


def new_claim(
    command: SendCommand, claim: Claim | None, *, chat_id: str, link: str | None, now_s: float
) -> Claim:
    """The open claim of this dispatch under this link. A claim that is open already keeps its time."""
    allow_duplicate = command.allow_duplicate and (
        claim is None or is_duplicate_allowed(command, claim)
    )
    if claim is not None and claim.is_open and not allow_duplicate:
        return replace(claim, dispatch_number=command.dispatch_number, chat_id=chat_id, link=link)
    return Claim(
        phone=command.phone,
        id=command.id,
        dispatch_number=command.dispatch_number,
        accepted_offset=command.accepted_offset,
        chat_id=chat_id,
        link=link,
        claimed_at_s=now_s,
        allow_duplicate=allow_duplicate,
        permitted_generation=_find_permitted_generation(command, claim, is_used=allow_duplicate),
    )


def _find_permitted_generation(command: SendCommand, claim: Claim | None, *, is_used: bool) -> int:
    if is_used:
        return command.generation
    return claim.permitted_generation if claim is not None else 0


def is_in_time(command: SendCommand, appended_at_s: float) -> bool:
    """Whether a claim that the broker appended at this time permits a submit of this dispatch.

    A claim from before its command means that the broker's clock was set back in between. Then its time does not show
    how late it is, and somebody may have read already that there is no claim.
    """
    return command.appended_at_s - MAX_BROKER_SKEW_S <= appended_at_s < command.deadline_s


def concluded_claim(
    command: SendCommand,
    claim: Claim | None,
    result: Result,
    now_s: float,
    *,
    may_have_arrived: bool = False,
) -> Claim | None:
    """The row that remembers this result; None: the row stays as it is.

    `may_have_arrived`: the attempt has seen an earlier copy. A later look-up that finds none does not disprove it.
    """
    if claim is not None and command.dispatch_number < claim.dispatch_number:
        return None
    if claim is not None and is_of_forgotten(claim, command.accepted_offset):
        return None
    stored = None if claim is None else (claim.dispatch_number, claim.result)
    if stored == (command.dispatch_number, result):
        return None
    if isinstance(result, Deferred) and result.in_doubt:
        marked = claim and remember_copy(claim, may_have_arrived=may_have_arrived)
        return None if marked == claim else marked
    previous = claim or Claim(
        phone=command.phone,
        id=command.id,
        dispatch_number=command.dispatch_number,
        accepted_offset=command.accepted_offset,
    )
    concluded = replace(
        previous, dispatch_number=command.dispatch_number, result=result, concluded_at_s=now_s
    )
    return remember_copy(concluded, may_have_arrived=may_have_arrived)


def remember_copy(claim: Claim, *, may_have_arrived: bool) -> Claim:
    """The row; if the attempt has seen a copy that may have arrived, it says so from now on."""
    return replace(claim, may_have_arrived=claim.may_have_arrived or may_have_arrived)


def withdrawn_claim(command: SendCommand, claim_at_start: Claim | None, now_s: float) -> Claim:
    """The row after a claim was withdrawn: that of before, or one that says that nothing was sent before this dispatch.

    Somebody may have read the claim, so that the message is in doubt by now: without a row it would stay so.
    """
    return claim_at_start or Claim(
        phone=command.phone,
        id=command.id,
        dispatch_number=command.dispatch_number - 1,
        accepted_offset=command.accepted_offset,
        result=Deferred(error=Error("deadline_exceeded", "its claim was withdrawn")),
        concluded_at_s=now_s,
    )


def is_of_forgotten(claim: Claim, accepted_offset: int) -> bool:
    """Whether the row is what is left of a forgotten message, and this message was accepted later than that one."""
    return claim.is_forgotten and 0 <= claim.accepted_offset < accepted_offset


def is_duplicate_allowed(command: SendCommand, claim: Claim) -> bool:
    """A person took the risk of a second message: for one attempt, not for those that follow from it.

    An older dispatch that is delivered again may have concluded the attempt meanwhile. So the row remembers whose
    permission was used.
    """
    is_used = 0 < command.generation == claim.permitted_generation
    return command.allow_duplicate and not (is_used or (claim.is_open and claim.allow_duplicate))


def with_receipt(claim: Claim, receipt: ReceiptKind) -> Claim | None:
    """The row after a receipt; None: it says nothing new. A row's receipt never goes back."""
    if ROW_RECEIPTS.index(receipt) <= ROW_RECEIPTS.index(claim.receipt):
        return None
    if receipt == "sent" and isinstance(claim.result, Sent):
        return None
    return replace(claim, receipt=receipt)


def _decide_new(command: SendCommand, now_s: float) -> OpenClaim | Conclude:
    if now_s >= command.deadline_s:
        return Conclude(Deferred(error=Error("deadline_exceeded")))
    return OpenClaim()


def _superseded_result(claim: Claim) -> Result:
    """A later dispatch has a row, so this one has its outcome already and nothing waits for it."""
    if claim.result is None:
        return in_doubt_result("a later dispatch of it is still in doubt")
    if isinstance(claim.result, Sent | OutcomeUnknown):
        return claim.result
    return Deferred(error=Error("deadline_exceeded", "a later dispatch of it is known"))


_codec: Codec[Claim] = Codec(Claim)


def encode(claim: Claim) -> bytes:
    """The row as it is stored."""
    return _codec.encode(claim)


def decode(data: bytes) -> Claim:
    """The row."""
    return _codec.decode(data)
