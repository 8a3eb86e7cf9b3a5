"""How a release becomes at most one message: the row of `sends`, and what to do next, as tables.

A claim is made durable before the page is given the message, and is open until it is answered. An open
claim means that the message may have left: only a look at the page's store may lead to a second submit.

    a release comes          its row                     what is done
    ----------------------   -------------------------   ------------------------------------------
    before its deadline      none                        Open
    after it                 none                        Answer deferred, deadline_passed
    lower than the row's     settled sent or lost        Answer that
    lower than the row's     any other                   Answer deferred: nobody waits for it
    equal or higher          open                        Look
    equal                    settled                     Answer the same
    any                      settled sent                Answer the same
    higher                   settled lost                Answer the same; a person said `again`: Look
    higher                   settled failed, deferred    as if there were none

    the look says            and                         what is done
    ----------------------   -------------------------   ------------------------------------------
    no answer                                            Answer deferred, claimed
    in the store, ack ≥ 1                                Answer sent
    in the store, ack 0                                  Await, then lost; never injected again
    in the store, failed     in time, a try left         Submit
    not in the store         same link or `again`,
                             in time, a try left         Submit
    not in the store         another link                Answer lost
    either of both           too late, no try left       Answer deferred, claimed

Rows are stored: fields may be added with a default, none renamed. Times are epoch seconds.
"""

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from streams.domain.errors import Error, ErrorClass
from streams.domain.phone.events import Deferred, Failed, Lost, Result, Sent, Stored
from streams.domain.sending.command import Send

SUBMITS: Final = 2  # that one release may have; the second only after a look
FORGET_DEFERRED_S: Final = 3600.0  # far more than a lane may hold a release

Ack = Literal["", "delivered", "read", "played"]
ACKS: Final[tuple[Ack, ...]] = ("", "delivered", "read", "played")


class Claim(Stored, frozen=True):
    """The row of one WhatsApp id. Without `claimed_at_s` only an answer is remembered."""

    phone: str
    id: str
    release: int  # the latest one known
    chat_id: str | None = None
    link: str | None = None  # of the session that it was claimed under
    claimed_at_s: float = 0.0
    forced: bool = False  # claimed because a person said `again`
    result: Result | None = None  # None: open
    settled_at_s: float = 0.0
    ack: Ack = ""

    @property
    def open(self) -> bool:
        """The message may have left, and nothing has been answered."""
        return self.result is None


# -- what to do next


class Open(msgspec.Struct, frozen=True):
    """Nothing of it can have left: make a claim durable, then submit."""


class Look(msgspec.Struct, frozen=True):
    """It may have left: look for its id before anything else is done."""


class Submit(msgspec.Struct, frozen=True):
    """It has not left: submit it under the id that it has."""


class Await(msgspec.Struct, frozen=True):
    """WhatsApp's own outbox has it: wait for the ack, for a bounded time."""


class Answer(msgspec.Struct, frozen=True):
    """Nothing more is done for this release."""

    result: Result


# -- what the page's store says of an id


class InStore(msgspec.Struct, frozen=True):
    """It is there: `ack` 0 waits in WhatsApp's outbox, ≥ 1 the server has it, < 0 it failed."""

    ack: int


class NotInStore(msgspec.Struct, frozen=True):
    """This link's store does not have it."""


class NoAnswer(msgspec.Struct, frozen=True):
    """Nobody could look: the session is not ready, or the page failed."""

    detail: str


Seen = InStore | NotInStore | NoAnswer


# -- the decisions


def judge(send: Send, claim: Claim | None, now_s: float) -> Open | Look | Answer:
    """What to do with a release, given its row."""
    if claim is None:
        return _fresh(send, now_s)
    if send.release < claim.release:
        return Answer(_stale(claim))
    if claim.result is None:
        return Look()
    if send.release == claim.release or isinstance(claim.result, Sent):
        return Answer(claim.result)
    if isinstance(claim.result, Lost):
        return Look() if send.again else Answer(claim.result)
    return _fresh(send, now_s)


def looked(
    send: Send, claim: Claim, seen: Seen, *, link: str | None, submits: int, now_s: float
) -> Submit | Await | Answer:
    """What a look means for an unsettled claim; `submits` of this release were made so far."""
    match seen:
        case NoAnswer(detail):
            return Answer(unsettled(detail))
        case InStore(ack) if ack >= 1:
            return Answer(Sent(at_s=now_s))
        case InStore(0):
            return Await()
        case NotInStore() if claim.link != link and not _is_forced(send, claim):
            detail = "the account was linked anew since the attempt"
            return Answer(lost(detail, now_s))
        case _:
            return _once_more(send, submits, now_s)


def awaited(seen: Seen, now_s: float) -> Answer:
    """What an id that waited in WhatsApp's outbox has come to when the time is up."""
    match seen:
        case InStore(ack) if ack >= 1:
            return Answer(Sent(at_s=now_s))
        case NoAnswer(detail):
            return Answer(unsettled(detail))
        case InStore(0):
            return Answer(lost("WhatsApp's outbox has it, and no ack came in time", now_s))
        case InStore():
            return Answer(Failed(error=Error("server_error", "WhatsApp gave it up")))
        case NotInStore():
            return Answer(unsettled("it left WhatsApp's outbox without an ack"))


def opened(
    send: Send, claim: Claim | None, *, chat_id: str, link: str | None, now_s: float
) -> Claim:
    """The open claim of this release under this link. One that stands keeps its time."""
    forced = claim is not None and _is_forced(send, claim)
    if claim is not None and claim.open and not forced:
        return replace(claim, release=send.release, chat_id=chat_id, link=link)
    return Claim(
        phone=send.phone,
        id=send.id,
        release=send.release,
        chat_id=chat_id,
        link=link,
        claimed_at_s=now_s,
        forced=forced,
    )


def settled(send: Send, claim: Claim | None, result: Result, now_s: float) -> Claim | None:
    """The row that remembers this answer; None: the row stays as it is."""
    if claim is not None and send.release < claim.release:
        return None
    if claim is not None and (send.release, result) == (claim.release, claim.result):
        return None
    if isinstance(result, Deferred) and result.claimed:
        return None
    before = claim or Claim(phone=send.phone, id=send.id, release=send.release)
    return replace(before, release=send.release, result=result, settled_at_s=now_s)


def acked(claim: Claim, ack: Ack) -> Claim | None:
    """The row after a receipt; None: it says nothing new. An ack never goes back."""
    if ACKS.index(ack) <= ACKS.index(claim.ack):
        return None
    return replace(claim, ack=ack)


def forget_at_s(claim: Claim, dedup_s: float) -> float:
    """When the row is of no more use: nobody asks again, and no receipt comes any more."""
    if claim.result is None:
        return claim.claimed_at_s + dedup_s
    if isinstance(claim.result, Deferred):
        return claim.settled_at_s + min(FORGET_DEFERRED_S, dedup_s)
    return claim.settled_at_s + dedup_s


# -- results


def not_sent(error: Error, until_s: float = 0.0) -> Failed | Deferred:
    """The result of an attempt that surely sent nothing: its class says whether it only waits."""
    if error.error_class in (ErrorClass.SESSION, ErrorClass.THROTTLED):
        return Deferred(error=error, until_s=until_s)
    return Failed(error=error)


def unsettled(detail: str, until_s: float = 0.0) -> Deferred:
    """The claim stays open, and the release goes back to be settled here later."""
    return Deferred(error=Error("unsettled_claim", detail), until_s=until_s, claimed=True)


def lost(detail: str, now_s: float) -> Lost:
    """Given up: nothing can tell."""
    return Lost(at_s=now_s, error=Error("outcome_unknown", detail))


def _fresh(send: Send, now_s: float) -> Open | Answer:
    if now_s >= send.deadline_s:
        return Answer(Deferred(error=Error("deadline_passed")))
    return Open()


def _stale(claim: Claim) -> Result:
    """A later release of it is known, so this one has been answered and nobody waits for it."""
    if claim.result is None:
        return unsettled("a later release of it is to be settled")
    if isinstance(claim.result, Sent | Lost):
        return claim.result
    return Deferred(error=Error("deadline_passed", "a later release of it is known"))


def _is_forced(send: Send, claim: Claim) -> bool:
    """A person took the risk of a second message; for one attempt, not for what follows from it."""
    return send.again and not (claim.open and claim.forced)


def _once_more(send: Send, submits: int, now_s: float) -> Submit | Answer:
    if now_s >= send.deadline_s:
        return Answer(unsettled("too late to be submitted again"))
    if submits >= SUBMITS:
        return Answer(unsettled("it was submitted twice, and neither is in the store"))
    return Submit()


_decoder = msgspec.msgpack.Decoder(Claim)
_encoder = msgspec.msgpack.Encoder()


def encode(claim: Claim) -> bytes:
    """The row as it is stored."""
    return _encoder.encode(claim)


def decode(data: bytes) -> Claim:
    """The row."""
    return _decoder.decode(data)
