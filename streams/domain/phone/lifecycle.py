"""The life of a message: every legal change of its state, by the event that causes it.

    NEW ▶ SCHEDULED ▶ WAITING ◀▶ DISPATCHED ▶ SENT ▶ DELIVERED ▶ READ ▶ PLAYED
    NEW ▶ WAITING ▶ EXPIRED
    SCHEDULED, WAITING ▶ CANCELLED, REJECTED (the recipient opts out)
    SCHEDULED, WAITING ▶ UNKNOWN (cancelled, rejected or given up, when an earlier generation may have arrived)
    WAITING, DISPATCHED ▶ FAILED, UNKNOWN
    FAILED, REJECTED, UNKNOWN ▶ WAITING, SCHEDULED (a replay of the dead letter)
    WAITING (in doubt), UNKNOWN ▶ SENT (a receipt or a late outcome proves that the message arrived)
    WAITING ▶ FORWARDED (its chat has another number)
    every completed message ▶ REMOVED
    NEW ▶ every final state: what is left of a forgotten message

Nothing follows FAILED, REJECTED, EXPIRED and CANCELLED but a replay: a receipt of such a message is counted, and
changes nothing.

Rules:

1. A row may always be stored again in the state that it is in.
2. An event may cause the changes that `TRANSITIONS` lists under it.
3. After any event the next message of the phone may be dispatched or given up: `DISPATCH_TRANSITIONS`.
4. Anything else is a bug of this program. `step` then changes nothing and returns an
   `IllegalTransition`.

A rejected request never has a row, so it has no state here. Nothing in this file decides which of the
legal changes happens.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from streams.domain.phone.events import (
    CancelRequested,
    ConsentMoved,
    ConsentRequested,
    Event,
    FlightOverdue,
    ForgetContinued,
    ForgetRequested,
    InboundSeen,
    OptOutContinued,
    Outcome,
    ReceiptSeen,
    RequestReceived,
    RetentionElapsed,
    ScheduleDue,
    TimerFired,
)
from streams.domain.phone.state import State


class Absent(StrEnum):
    """The ends of a life: there is no row yet, or no more, or it is in another recipient's rows."""

    NEW = "new"
    FORWARDED = "forwarded"
    REMOVED = "removed"


Stage: TypeAlias = State | Absent
Changes: TypeAlias = Mapping[Stage, frozenset[Stage]]

_TO_QUEUE: Final[frozenset[Stage]] = frozenset({State.WAITING, State.SCHEDULED})
_REMOVED: Final[frozenset[Stage]] = frozenset({Absent.REMOVED})
# A marketing message, when its recipient opts out. UNKNOWN: an earlier generation of it may have arrived.
_OPT_OUT: Final[Changes] = {
    State.SCHEDULED: frozenset({State.REJECTED, State.UNKNOWN}),
    State.WAITING: frozenset({State.REJECTED}),
}

_ENDED: Final[tuple[Stage, ...]] = (
    State.SENT,
    State.DELIVERED,
    State.READ,
    State.PLAYED,
    State.FAILED,
    State.REJECTED,
    State.EXPIRED,
    State.CANCELLED,
    State.UNKNOWN,
)
_CANCEL: Final[Changes] = {
    State.SCHEDULED: frozenset({State.CANCELLED, State.UNKNOWN}),
    State.WAITING: frozenset({State.CANCELLED}),
}
# What has ended is removed, and a remainder of it is stored (values/forgetting.py).
_FORGET: Final[Changes] = {
    **_CANCEL,
    Absent.NEW: frozenset(_ENDED),
    **dict.fromkeys(_ENDED, _REMOVED),
}

TRANSITIONS: Final[Mapping[type[Event], Changes]] = {
    RequestReceived: {
        Absent.NEW: _TO_QUEUE,
        State.REJECTED: _TO_QUEUE,
        State.FAILED: _TO_QUEUE,  # a replay of its dead letter
        State.UNKNOWN: _TO_QUEUE,  # the same, and the replay may send a duplicate
        # The same, if a person insists: a receipt has followed `unknown`.
        State.SENT: _TO_QUEUE,
        State.DELIVERED: _TO_QUEUE,
        State.READ: _TO_QUEUE,
        State.PLAYED: _TO_QUEUE,
        # A revoke of a message that waits is a cancel of it.
        **_CANCEL,
    },
    CancelRequested: _CANCEL,
    Outcome: {
        State.DISPATCHED: frozenset({State.SENT, State.WAITING, State.FAILED, State.UNKNOWN}),
        # A late outcome: of a dispatch that was ended without its sender.
        State.WAITING: frozenset({State.SENT}),
        State.UNKNOWN: frozenset({State.SENT}),
        # A receipt that came before the outcome makes it SENT, and follows it in the same step.
        State.SENT: frozenset({State.DELIVERED, State.READ, State.PLAYED}),
    },
    FlightOverdue: {
        State.DISPATCHED: frozenset({State.SENT, State.UNKNOWN}),
        State.SENT: frozenset({State.DELIVERED, State.READ, State.PLAYED}),
    },
    ReceiptSeen: {
        State.WAITING: frozenset({State.SENT}),  # an attempt in doubt
        State.UNKNOWN: frozenset({State.SENT}),
        # The receipt itself follows in the same step.
        State.SENT: frozenset({State.DELIVERED, State.READ, State.PLAYED}),
        State.DELIVERED: frozenset({State.READ, State.PLAYED}),
        State.READ: frozenset({State.PLAYED}),
    },
    InboundSeen: _OPT_OUT,
    ConsentRequested: _OPT_OUT,
    ConsentMoved: _OPT_OUT,
    OptOutContinued: _OPT_OUT,
    ForgetRequested: _CANCEL,
    ForgetContinued: _FORGET,
    TimerFired: {},
    ScheduleDue: {State.SCHEDULED: frozenset({State.WAITING})},
    RetentionElapsed: dict.fromkeys(_ENDED, _REMOVED),
}

DISPATCH_TRANSITIONS: Final[Changes] = {
    State.WAITING: frozenset(
        {
            State.DISPATCHED,
            State.EXPIRED,
            State.CANCELLED,
            State.FAILED,
            State.REJECTED,
            State.UNKNOWN,
            Absent.FORWARDED,
        }
    ),
}


class IllegalTransition(msgspec.Struct, frozen=True):
    """A change that no rule allows. It names neither the phone nor the message, so it may be logged."""

    event: str  # the name of its type
    before: Stage
    after: Stage


class TransitionRefused(Exception):
    """Ends a step at its first illegal change. It does not leave `step`."""

    def __init__(self, illegal: IllegalTransition) -> None:
        super().__init__(f"{illegal.event}: {illegal.before} to {illegal.after}")
        self.illegal = illegal


def is_legal(event: type[Event], before: Stage, after: Stage) -> bool:
    """Whether an event of this type may change a message in this way."""
    if before == after:
        return True
    allowed = TRANSITIONS[event].get(before, frozenset())
    return after in allowed or after in DISPATCH_TRANSITIONS.get(before, frozenset())


def check(event: type[Event], before: Stage, after: Stage) -> None:
    """Refuse an illegal change.

    Raises:
        TransitionRefused: the change is in no table.
    """
    if not is_legal(event, before, after):
        raise TransitionRefused(IllegalTransition(event.__name__, before, after))
