"""How long the turns of an account take, and so how much of the pipeline's work is done for several at once. Pure.

A claim ahead of its submit costs something after a crash: the message must be looked for, and no other account may send
it meanwhile. So only that is claimed which will be submitted at once. A result that waits for others is published
later. So only those wait for each other that end at nearly the same time. An account with a pace has turns of
seconds: it claims one message ahead, and no result waits. A message that the page has ahead of its turn begins at the
moment of the ack before it: one is enough, unless turns are so short that the next one would come too late.
"""

from typing import Final

CLAIM_AHEAD_S: Final = 0.1
MAX_CLAIMS_AHEAD: Final = 8
JOIN_RESULTS_S: Final = 0.05
MAX_JOINED_RESULTS: Final = 4
SUBMIT_AHEAD_S: Final = 0.1
MAX_SUBMITS_AHEAD: Final = 3
_WEIGHT: Final = 0.25  # of the last turn in the mean


class TurnTimes:
    """The mean of the last turns, the last one counting most. Before the first turn nothing is done ahead."""

    def __init__(self) -> None:
        self._mean_s: float | None = None

    def record(self, turn_s: float) -> None:
        """A turn has taken this long, its waits for the pace included."""
        turn_s = max(0.0, turn_s)
        mean_s = self._mean_s
        self._mean_s = turn_s if mean_s is None else mean_s + _WEIGHT * (turn_s - mean_s)

    @property
    def claims_ahead(self) -> int:
        """How many messages are claimed before their submit; at least one."""
        return self._count_within(CLAIM_AHEAD_S, MAX_CLAIMS_AHEAD)

    def room_for_claims(self, unsubmitted: int) -> int:
        """How many claims may be stored now, in one batch; none before half of the last batch was submitted."""
        max_ahead = self.claims_ahead
        return max_ahead - unsubmitted if unsubmitted <= max_ahead // 2 else 0

    @property
    def submits_ahead(self) -> int:
        """How many messages the page may have ahead of their turns; at least one."""
        return self._count_within(SUBMIT_AHEAD_S, MAX_SUBMITS_AHEAD)

    @property
    def joined_results(self) -> int:
        """How many results are written together, if as many come; at least one."""
        return self._count_within(JOIN_RESULTS_S, MAX_JOINED_RESULTS)

    def _count_within(self, budget_s: float, max_count: int) -> int:
        if self._mean_s is None:
            return 1
        if self._mean_s * max_count <= budget_s:
            return max_count
        return max(1, int(budget_s / self._mean_s))
