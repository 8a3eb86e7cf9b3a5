"""One row for each message of a report, from the columns of its statuses. Pure: it only counts.

An event that was published twice changes nothing, because only the first time of a status counts. A status before the
acceptance belongs to an earlier life of the message: it was replayed.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.operations.reports.columns import (
    ACCEPTED,
    DELIVERED,
    READ,
    REJECTED,
    SENT,
    Column,
    Columns,
)

NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Messages:
    """Columns of one length. Times in epoch milliseconds, `NEVER` for what did not happen; the others as numbers."""

    arrived_ms: Column
    is_accepted: Column
    sent_ms: Column
    delivered_ms: Column
    read_ms: Column
    failed_status: (
        Column  # the last status with which the message ended without being sent; else ACCEPTED
    )
    failed_code: Column
    account: Column
    batch: Column
    template: Column
    country: Column
    texts: dict[str, list[str]]

    def __len__(self) -> int:
        return len(self.arrived_ms)

    @property
    def is_sent(self) -> Column:
        """Whether WhatsApp has the message; a later status proves that too."""
        return (self.sent_ms != NEVER) | self.is_delivered

    @property
    def is_delivered(self) -> Column:
        """Whether the recipient's phone has it."""
        return (self.delivered_ms != NEVER) | self.is_read

    @property
    def is_read(self) -> Column:
        """Whether it was read or played."""
        return self.read_ms != NEVER

    @property
    def is_failed(self) -> Column:
        """Whether it ended without being sent."""
        return (self.failed_status != ACCEPTED) & ~self.is_sent


def build_messages(columns: Columns, since_ms: int, until_ms: int) -> Messages:
    """The messages that arrived at or after `since_ms` and before `until_ms`, with all that followed until now."""
    arrivals = _choose_arrivals(columns, since_ms, until_ms)
    count = len(arrivals["key"])
    steps = columns.steps
    index = np.searchsorted(arrivals["key"], steps["key"])
    index[index == count] = 0
    is_ours = np.zeros(len(index), dtype=bool)
    if count:
        is_ours = (arrivals["key"][index] == steps["key"]) & (
            steps["at_ms"] >= arrivals["at_ms"][index]
        )
    index = index[is_ours]
    at_ms, status, account, code = (
        steps[name][is_ours] for name in ("at_ms", "status", "account", "code")
    )

    by_time = np.argsort(at_ms, kind="stable")  # of several values, the last one stays
    index, at_ms, status, account, code = (
        column[by_time] for column in (index, at_ms, status, account, code)
    )

    def find_first(wanted: int) -> Column:
        times = np.full(count, NEVER, dtype=np.int64)
        chosen = status == wanted
        times[index[chosen][::-1]] = at_ms[chosen][::-1]
        return times

    accounts = arrivals["account"].copy()
    named = account != 0
    accounts[index[named]] = account[named]
    failed_status, failed_code = np.full(count, ACCEPTED, np.uint8), np.zeros(count, np.int32)
    ended = (status > READ) | (status == REJECTED)
    failed_status[index[ended]] = status[ended]
    failed_code[index[ended]] = code[ended]
    return Messages(
        arrived_ms=arrivals["at_ms"],
        is_accepted=arrivals["status"] == ACCEPTED,
        sent_ms=find_first(SENT),
        delivered_ms=find_first(DELIVERED),
        read_ms=find_first(READ),
        failed_status=failed_status,
        failed_code=failed_code,
        account=accounts,
        batch=arrivals["batch"],
        template=arrivals["template"],
        country=arrivals["country"],
        texts=columns.texts,
    )


def _choose_arrivals(columns: Columns, since_ms: int, until_ms: int) -> dict[str, Column]:
    """One arrival of each message, by key: the first acceptance in the window, else the first rejection."""
    arrivals = columns.arrivals
    is_inside = (arrivals["at_ms"] >= since_ms) & (arrivals["at_ms"] < until_ms)
    inside = {name: column[is_inside] for name, column in arrivals.items()}
    order = np.lexsort((inside["at_ms"], inside["status"], inside["key"]))
    keys = inside["key"][order]
    is_first = np.ones(len(keys), dtype=bool)
    is_first[1:] = keys[1:] != keys[:-1]
    return {name: column[order[is_first]] for name, column in inside.items()}
