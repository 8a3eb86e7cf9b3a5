"""Which dispatches a resolver may have ended already, so that a claim of theirs does not count any more. Pure.

A resolver answers for a sender that is silent or has stopped (unanswered.py): it writes a barrier into the changelog
of the claims, and what is not claimed before the barrier goes to another account. It need not wait for the deadline,
and the broker's clock may be set back meanwhile: a claim behind the barrier can be in time. Two things decide, and
neither depends on a clock:

* the order of the changelog: a claim counts only if no barrier for its dispatch lies before it;
* the offsets of the send topic: a barrier is only about dispatches that were published before it was written, and it
  holds the offset behind them.

A sender that has noticed others' records has not read them. So every dispatch that was published before it noticed
them is refused: that is safe, costs one round, and happens only after a resolver has looked. A sender that recovers its
table reads the barriers. Those of a dispatcher that did not write the offset are known by their append times: they
were appended after the deadline.
"""

from typing import Final

import msgspec

from streams.domain.sending.claim import MAX_BROKER_SKEW_S
from streams.domain.sending.command import SendCommand

_MAX_DIGITS: Final = 19  # of an offset


class Resolved(msgspec.Struct, frozen=True):
    """The dispatches that may have been ended: those below an offset of the send topic.

    `noticed_before`: others' records were noticed behind own ones, or recovered barriers name it.
    `recovered_before`: the table was recovered from records of which the latest append time is `latest_s`.
    """

    noticed_before: int = 0
    recovered_before: int = 0
    latest_s: float = 0.0

    def may_include(self, command: SendCommand) -> bool:
        """Whether this dispatch may have been ended. A record's append time is known; only brokers' clocks differ."""
        if command.offset < self.noticed_before:
            return True
        is_past = command.deadline_s <= self.latest_s + MAX_BROKER_SKEW_S
        return is_past and command.offset < self.recovered_before


NOTHING_RESOLVED: Final = Resolved()

# Each dispatcher has a key of its own: of two barriers under one key, the later one could hold the lower offset.
BARRIER_PREFIX: Final = b"barrier/"


def barrier_key(dispatcher: str) -> bytes:
    """The key under which this dispatcher writes its barriers."""
    return BARRIER_PREFIX + dispatcher.encode()


def encode_barrier(resolved_before: int) -> bytes:
    """The row of a barrier: which dispatches it is about."""
    return b"%d" % resolved_before


def decode_barrier(value: bytes) -> int:
    """What `encode_barrier` wrote; 0, which is about nothing, if others have written something else."""
    return int(value) if value.isdigit() and len(value) <= _MAX_DIGITS else 0
