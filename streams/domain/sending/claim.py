"""How a dispatch becomes at most one message: the row of `sends`, and the next decision, as tables.

A claim is durable before the page is given the message, and stays open until its result is stored. An
open claim means that the message may have left: only a lookup in the page's store may lead to a second
submit.

    a dispatch comes         its row                     decision
    ----------------------   -------------------------   ------------------------------------------
    before its deadline      none                        OpenClaim
    after it                 none                        Conclude deferred, deadline_exceeded
    number below the row's   sent or outcome unknown     Conclude with that result
    number below the row's   any other                   Conclude deferred: nothing waits for it
    same number or higher    open                        Reconcile
    same number              has a result                Conclude with the same result
    any                      sent                        Conclude with the same result
    higher                   outcome unknown             Conclude with the same result; Reconcile if a
                                                         person has allowed a duplicate
    higher                   failed, deferred            as if there were no row

    the lookup               and                         decision
    ----------------------   -------------------------   ------------------------------------------
    gave no answer                                       Conclude deferred, in doubt
    in the store, ack ≥ 1                                Conclude sent
    in the store, ack 0                                  WaitForAck, then outcome unknown; never
                                                         submitted again
    in the store, failed     in time, a submit left      SubmitAgain
    not in the store         same link or duplicate
                             allowed, in time, a
                             submit left                 SubmitAgain
    not in the store         another link                Conclude outcome unknown
    the last three           too late, no submit left    Conclude deferred, in doubt

Rows are stored: a field may be added with a default, and no field is renamed. Times are epoch seconds.
"""

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from streams.domain.errors import Error, ErrorClass
from streams.domain.phone.events import Deferred, Failed, OutcomeUnknown, Result, Sent
from streams.domain.sending.command import SendCommand
from streams.domain.stored import Codec, Stored

MAX_SUBMITS: Final = 2  # of one dispatch; the second only after a lookup
DEFERRED_RETENTION_S: Final = 3600.0  # far more than a sender may hold a dispatch

ReceiptKind = Literal["", "delivered", "read", "played"]
RECEIPT_KINDS: Final[tuple[ReceiptKind, ...]] = ("", "delivered", "read", "played")


class Claim(Stored, frozen=True):
    """The row of one WhatsApp id. Without `claimed_at_s` it only remembers a result."""

    phone: str
    id: str
    dispatch_number: int  # the latest one known
    chat_id: str | None = None
    link: str | None = None  # of the session under which it was claimed
    claimed_at_s: float = 0.0
    allow_duplicate: bool = False  # claimed because a person has allowed a duplicate
    result: Result | None = None  # None: open
    concluded_at_s: float = 0.0
    receipt: ReceiptKind = ""

    @property
    def is_open(self) -> bool:
        """Whether the message may have left, without a result."""
        return self.result is None

    def permits_submit(self, command: SendCommand, chat_id: str, link: str | None) -> bool:
        """Whether this dispatch may be submitted to this chat under this link."""
        claimed = (self.dispatch_number, self.chat_id, self.link)
        return self.is_open and claimed == (command.dispatch_number, chat_id, link)


# -- what to do next


class OpenClaim(msgspec.Struct, frozen=True):
    """The message cannot have left: make a claim durable, then submit."""


class Reconcile(msgspec.Struct, frozen=True):
    """The message may have left: look for its id before anything else is done."""


class SubmitAgain(msgspec.Struct, frozen=True):
    """The message has not left: submit it under the id that it has."""


class WaitForAck(msgspec.Struct, frozen=True):
    """WhatsApp's own outbox has the message: wait for the ack, for a bounded time."""


class Conclude(msgspec.Struct, frozen=True):
    """Nothing more is done for this dispatch."""

    result: Result


# -- what the page's store says of an id


class InStore(msgspec.Struct, frozen=True):
    """The id is there. `ack` 0: it waits in WhatsApp's outbox, ≥ 1: the server has it, < 0: it failed."""

    ack: int


class NotInStore(msgspec.Struct, frozen=True):
    """The store of this link does not have the id."""


class LookupUnavailable(msgspec.Struct, frozen=True):
    """The store could not be read: the session is not ready, or the page failed."""

    detail: str


StoreLookup = InStore | NotInStore | LookupUnavailable


# -- the decisions


def decide(
    command: SendCommand, claim: Claim | None, now_s: float
) -> OpenClaim | Reconcile | Conclude:
    """What to do with a dispatch, given its row."""
    if claim is None:
        return _decide_new(command, now_s)
    if command.dispatch_number < claim.dispatch_number:
        return Conclude(_superseded_result(claim))
    if claim.result is None:
        return Reconcile()
    if command.dispatch_number == claim.dispatch_number or isinstance(claim.result, Sent):
        return Conclude(claim.result)
    if isinstance(claim.result, OutcomeUnknown):
        return Reconcile() if command.allow_duplicate else Conclude(claim.result)
    return _decide_new(command, now_s)


def after_lookup(
    command: SendCommand,
    claim: Claim,
    lookup: StoreLookup,
    *,
    link: str | None,
    submit_count: int,
    now_s: float,
) -> SubmitAgain | WaitForAck | Conclude:
    """What a lookup means for an attempt in doubt, after `submit_count` submits of this dispatch."""
    match lookup:
        case LookupUnavailable(detail):
            return Conclude(in_doubt_result(detail))
        case InStore(ack) if ack >= 1:
            return Conclude(Sent(at_s=now_s))
        case InStore(0):
            return WaitForAck()
        case NotInStore() if claim.link != link and not _is_duplicate_allowed(command, claim):
            detail = "the account has been linked again since the attempt"
            return Conclude(unknown_result(detail, now_s))
        case _:
            return _decide_resubmit(command, submit_count, now_s)


def after_wait(lookup: StoreLookup, now_s: float) -> Conclude:
    """The result of an id that waited in WhatsApp's outbox, when the time is up."""
    match lookup:
        case InStore(ack) if ack >= 1:
            return Conclude(Sent(at_s=now_s))
        case LookupUnavailable(detail):
            return Conclude(in_doubt_result(detail))
        case InStore(0):
            return Conclude(
                unknown_result("WhatsApp's outbox has it, and no ack came in time", now_s)
            )
        case InStore():
            return Conclude(Failed(error=Error("server_error", "WhatsApp gave up on it")))
        case NotInStore():
            return Conclude(in_doubt_result("it left WhatsApp's outbox without an ack"))


def new_claim(
    command: SendCommand, claim: Claim | None, *, chat_id: str, link: str | None, now_s: float
) -> Claim:
    """The open claim of this dispatch under this link. A claim that is open already keeps its time."""
    allow_duplicate = claim is not None and _is_duplicate_allowed(command, claim)
    if claim is not None and claim.is_open and not allow_duplicate:
        return replace(claim, dispatch_number=command.dispatch_number, chat_id=chat_id, link=link)
    return Claim(
        phone=command.phone,
        id=command.id,
        dispatch_number=command.dispatch_number,
        chat_id=chat_id,
        link=link,
        claimed_at_s=now_s,
        allow_duplicate=allow_duplicate,
    )


def concluded_claim(
    command: SendCommand, claim: Claim | None, result: Result, now_s: float
) -> Claim | None:
    """The row that remembers this result; None: the row stays as it is."""
    if claim is not None and command.dispatch_number < claim.dispatch_number:
        return None
    stored = None if claim is None else (claim.dispatch_number, claim.result)
    if stored == (command.dispatch_number, result):
        return None
    if isinstance(result, Deferred) and result.in_doubt:
        return None
    previous = claim or Claim(
        phone=command.phone, id=command.id, dispatch_number=command.dispatch_number
    )
    return replace(
        previous, dispatch_number=command.dispatch_number, result=result, concluded_at_s=now_s
    )


def with_receipt(claim: Claim, receipt: ReceiptKind) -> Claim | None:
    """The row after a receipt; None: the receipt is not new. A row's receipt never goes back."""
    if RECEIPT_KINDS.index(receipt) <= RECEIPT_KINDS.index(claim.receipt):
        return None
    return replace(claim, receipt=receipt)


def claim_expires_at_s(claim: Claim, idempotency_window_s: float) -> float:
    """When the row is no longer needed: no dispatch and no receipt of it will come."""
    if claim.result is None:
        return claim.claimed_at_s + idempotency_window_s
    if isinstance(claim.result, Deferred):
        return claim.concluded_at_s + min(DEFERRED_RETENTION_S, idempotency_window_s)
    return claim.concluded_at_s + idempotency_window_s


# -- results


def not_sent_result(error: Error, until_s: float = 0.0) -> Failed | Deferred:
    """The result of an attempt that certainly sent nothing; the class of the error says whether it waits."""
    if error.error_class in (ErrorClass.SESSION, ErrorClass.THROTTLED):
        return Deferred(error=error, until_s=until_s)
    return Failed(error=error)


def in_doubt_result(detail: str, until_s: float = 0.0) -> Deferred:
    """The claim stays open, and the message is dispatched to this account again later."""
    return Deferred(error=Error("attempt_in_doubt", detail), until_s=until_s, in_doubt=True)


def unknown_result(detail: str, now_s: float) -> OutcomeUnknown:
    """Given up: nothing can tell whether the message went out."""
    return OutcomeUnknown(at_s=now_s, error=Error("outcome_unknown", detail))


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


def _is_duplicate_allowed(command: SendCommand, claim: Claim) -> bool:
    """A person took the risk of a second message: for one attempt, not for those that follow from it."""
    return command.allow_duplicate and not (claim.is_open and claim.allow_duplicate)


def _decide_resubmit(
    command: SendCommand, submit_count: int, now_s: float
) -> SubmitAgain | Conclude:
    if now_s >= command.deadline_s:
        return Conclude(in_doubt_result("too late to be submitted again"))
    if submit_count >= MAX_SUBMITS:
        return Conclude(in_doubt_result("it was submitted twice, and neither is in the store"))
    return SubmitAgain()


_codec: Codec[Claim] = Codec(Claim)


def encode(claim: Claim) -> bytes:
    """The row as it is stored."""
    return _codec.encode(claim)


def decode(data: bytes) -> Claim:
    """The row."""
    return _codec.decode(data)
