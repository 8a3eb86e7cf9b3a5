"""What is known of a sending account now: its last record on `wa.accounts`, and how old that record is. Pure.

A sender repeats its record every ten seconds. A record that is older than three of these heartbeats is a
past state: it is never reported as the current one, whatever it says.
"""

from dataclasses import dataclass
from typing import Any, Final, get_args

from streams.contract.account import (
    MAX_HEARTBEAT_AGE_S,
    AccountRecord,
    AccountState,
    describe_account,
    summarize_account,
)
from streams.contract.timestamps import format_age

# No sender runs: that stays true without a heartbeat.
_LASTING_STATES: Final = frozenset({"stopped"})
DOWN: Final = "down"
STATES: Final[tuple[str, ...]] = (*get_args(AccountState), DOWN)


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """One account. `record` None: it has never run. `age_s` is the age of the record, by the broker's clock."""

    name: str
    record: AccountRecord | None = None
    age_s: float = 0.0

    @property
    def is_stale(self) -> bool:
        """Whether its last heartbeat is too old to say anything about now."""
        return self.record is not None and self.age_s > MAX_HEARTBEAT_AGE_S

    @property
    def can_send(self) -> bool:
        """Whether it sends now."""
        return self.record is not None and self.record.state == "ready" and not self.is_stale

    @property
    def state(self) -> str:
        """The current state: a state of the contract, or `down` if its sender is silent."""
        if self.record is None:
            return "stopped"
        if self.is_stale and self.record.state not in _LASTING_STATES:
            return DOWN
        return self.record.state

    @property
    def reason(self) -> str | None:
        """Why it is in this state."""
        if self.record is None:
            return "it has never run"
        if self.state == DOWN:
            return f"silent for {format_age(self.age_s)}"
        return self.record.reason

    def describe(self) -> str:
        """State and reason in a few words."""
        if self.record is None:
            return f"{self.state}: {self.reason}"
        if self.state == DOWN:
            return f"{DOWN}: {self.reason}, was {self.record.state}"
        return describe_account(self.record)

    def summarize(self) -> dict[str, Any]:
        """What explains the state, as JSON values, without numbers and codes: for probes."""
        if self.record is None:
            return {"state": self.state, "reason": self.reason, "stale": False}
        return summarize_account(self.record) | {
            "state": self.state,
            "reason": self.reason,
            "stale": self.is_stale,
        }
