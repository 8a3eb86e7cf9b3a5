"""Which dispatches a resolver may have ended already, so that a claim of theirs does not count any more. Pure.

A resolver answers for a sender that is silent (unanswered.py): it writes a barrier into the changelog of the claims
after the deadline, and what is not claimed before the barrier goes to another account. If the broker's clock is set
back then, a claim behind the barrier can be "in time" again. Two things do not depend on the clock:

* the order of the changelog: a claim counts only if no barrier for its dispatch lies before it;
* the offsets of the send topic: a barrier is only about dispatches that were published before it was written.

A sender that has noticed others' records does not know what they are about. So every dispatch that was published
before it noticed them is refused: that is safe, costs one round, and happens only after a resolver has looked. The
records that were recovered have append times, and a barrier about a dispatch was appended after its deadline.
"""

from typing import Final

import msgspec

from streams.domain.sending.claim import MAX_BROKER_SKEW_S
from streams.domain.sending.command import SendCommand


class Resolved(msgspec.Struct, frozen=True):
    """The dispatches that may have been ended: those below an offset of the send topic.

    `noticed_before`: others' records were noticed behind own ones. `recovered_before`: the table was recovered from
    records of which the latest append time is `latest_s`.
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
