"""What arrived on the phones, by the sandbox's log: lost, duplicated, too fast, out of order. The second judge is the
audit, which reads the topics alone.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from streams.operations.audit.reading import audit
from streams.settings import Settings

_ANSWER_TIMEOUT_S = 5.0  # a dead letter follows its status


@dataclass(frozen=True)
class Verdict:
    """What the sandbox's log says about a run."""

    shown: dict[str, list[dict[str, Any]]]  # by body
    dropped: int  # stanzas that the phones dropped

    @property
    def duplicates(self) -> list[str]:
        """Bodies that a phone showed more than once."""
        return [body for body, rows in self.shown.items() if len(rows) > 1]

    def find_lost(self, bodies: Iterable[str]) -> list[str]:
        """Bodies that no phone showed."""
        return [body for body in bodies if body not in self.shown]

    def max_in_a_minute(self) -> int:
        """The most messages that one phone was shown within 60 seconds."""
        times: defaultdict[str, list[float]] = defaultdict(list)
        for rows in self.shown.values():
            for row in rows:
                times[row["to"]].append(datetime.fromisoformat(row["at"]).timestamp())
        return max(
            (_max_in_window(sorted(times_shown), 60.0) for times_shown in times.values()), default=0
        )

    def find_out_of_order(self, rank: Callable[[str], Any]) -> list[tuple[str, str]]:
        """Pairs of consecutive bodies on a phone whose ranks decrease."""
        by_phone: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for rows in self.shown.values():
            by_phone[rows[0]["to"]].append(rows[0])
        pairs: list[tuple[str, str]] = []
        for rows in by_phone.values():
            bodies = [row["body"] for row in sorted(rows, key=lambda row: row["seq"])]
            pairs += [(a, b) for a, b in pairwise(bodies) if rank(a) > rank(b)]
        return pairs


def _max_in_window(times: list[float], window_s: float) -> int:
    highest = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - window_s:
            first += 1
        highest = max(highest, last - first + 1)
    return highest


def judge(log: list[dict[str, Any]]) -> Verdict:
    """The verdict on the messages of the log."""
    shown: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    dropped = 0
    for row in log:
        if row["event"] == "message":
            if row["shown"]:
                shown[row["body"]].append(row)
            else:
                dropped += 1
    return Verdict(dict(shown), dropped)


async def check_by_audit(settings: Settings) -> None:
    """The topics show no violation. To be called when every request has its final status."""
    report = await audit(settings, answer_timeout_s=_ANSWER_TIMEOUT_S)
    assert report.violations == []
    assert report.requests > 0


def find_wrong_order(
    pairs: Iterable[tuple[str, str]], events: Iterable[dict[str, Any]]
) -> list[tuple[str, str]]:
    """Of the pairs of ids that were shown in the wrong order, those that the contract does not allow.

    A message in doubt waits for its own account alone. If that is not ready, others go before it, by another account.
    """
    in_doubt: set[str] = set()
    accounts: dict[str, str] = {}
    for event in events:
        if event.get("reason") == "attempt_in_doubt":
            in_doubt.add(event["id"])
        if event["status"] == "sent":
            accounts[event["id"]] = event["account"]
    return [
        (first, later)
        for first, later in pairs
        if later not in in_doubt or accounts.get(first) == accounts.get(later)
    ]


def read_number(body: str) -> int:
    """The number at the end of a body such as `parcel/17`: the rank by which the tests judge the order."""
    return int(body.rpartition("/")[2])
