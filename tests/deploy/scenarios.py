"""For each rule, metrics over time, and the minutes in which its alert is raised.

Both judges get the same: Prometheus' promtool (test_rules.py) and the evaluator (tests/domain/alerts). A value is one
sample of a worker, every 15 seconds; None: the worker does not export the series.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

STEP_S: Final = 15
_PER_MINUTE: Final = 60 // STEP_S
_MIB: Final = 1_048_576

Value = float | None


@dataclass(frozen=True, slots=True)
class Exported:
    """What one worker exports of one series."""

    worker: str
    metric: str
    labels: Mapping[str, str]
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Scenario:
    """The alert is raised from the minute `first` to the minute `last`, both included, and at no other one."""

    rule: str
    exported: Sequence[Exported]
    first: int
    last: int
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def steps(self) -> int:
        """The number of samples of each series."""
        return len(self.exported[0].values)

    @property
    def minutes(self) -> range:
        """Every minute that begins within the scenario."""
        return range((self.steps - 1) // _PER_MINUTE + 1)


def steps(*phases: tuple[Value, int]) -> list[Value]:
    """A value for so many minutes, then the next one."""
    return [value for value, minutes in phases for _ in range(minutes * _PER_MINUTE)]


def _one(
    metric: str, values: Sequence[Value], worker: str = "dispatch-1", **labels: str
) -> Exported:
    return Exported(worker, metric, labels, values)


def _statuses(
    sent: Sequence[Value], failed: Sequence[Value], unknown: Sequence[Value]
) -> list[Exported]:
    values = {"sent": sent, "failed": failed, "unknown": unknown}
    return [_one("wa_statuses_total", each, status=status) for status, each in values.items()]


def _growth(rule: str, metric: str, high: float) -> Scenario:
    """The floor of an hour ago is that of 60 to 75 minutes ago, and the one of now that of the last 15 minutes."""
    values = steps((100.0 * _MIB, 80), (high, 85))
    return Scenario(rule, [_one(metric, values)], 125, 156, {"worker": "dispatch-1"})


SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario(
        "queue_long",
        [
            _one("wa_messages_waiting", steps((0, 1), (400, 20), (0, 10)), reason="no_account"),
            _one(
                "wa_messages_waiting",
                steps((0, 1), (101, 10), (0, 20)),
                "dispatch-2",
                reason="retry",
            ),
            _one("wa_messages_waiting", steps((900, 31)), reason="scheduled"),
            _one("wa_account_state", steps((1, 31)), account="main", state="ready"),
        ],
        6,
        12,
    ),
    Scenario(
        "oldest_waiting",
        [_one("wa_oldest_waiting_seconds", steps((0, 1), (901, 10), (5, 10)))],
        6,
        12,
    ),
    Scenario(
        "lookup_hits_low",
        [
            _one(
                "wa_sender_lookups_total",
                steps((0, 1), (20, 19), (2020, 10)),
                "sender-main",
                result="cached",
            ),
            _one(
                "wa_sender_lookups_total", steps((0, 1), (150, 29)), "sender-main", result="asked"
            ),
        ],
        16,
        21,
    ),
    Scenario(
        "success_low",
        _statuses(steps((0, 1), (200, 9), (2200, 10)), steps((0, 1), (5, 19)), steps((0, 20))),
        6,
        11,
    ),
    Scenario(
        "outcome_unknown",
        _statuses(steps((7, 66)), steps((0, 66)), steps((0, 1), (1, 65))),
        1,
        62,
    ),
    Scenario(
        "no_account_can_send",
        [
            # `main` is logged out, then stopped. `sales-1` is restricted for minutes, then for a moment, and then
            # again, when nothing waits that could be sent.
            _one("wa_account_state", steps((1, 2), (None, 23)), account="main", state="ready"),
            _one(
                "wa_account_state",
                steps((0, 2), (1, 3), (0, 20)),
                account="main",
                state="logged_out",
            ),
            _one("wa_account_state", steps((0, 5), (1, 20)), account="main", state="stopped"),
            _one(
                "wa_account_state",
                steps((1, 4), (0, 6), (1, 4), (0, 1), (1, 2), (0, 8)),
                account="sales-1",
                state="ready",
            ),
            _one(
                "wa_account_state",
                steps((0, 4), (1, 6), (0, 4), (1, 1), (0, 2), (1, 8)),
                account="sales-1",
                state="restricted",
            ),
            _one("wa_messages_waiting", steps((1, 16), (0, 9)), reason="no_account"),
            _one("wa_messages_waiting", steps((900, 25)), reason="quiet_hours"),
        ],
        6,
        11,
    ),
    Scenario(
        "account_not_ready",
        [
            _one(
                "wa_account_state", steps((0, 1), (1, 10), (0, 5)), account="main", state="linking"
            ),
            _one("wa_account_state", steps((1, 1), (0, 10), (1, 5)), account="main", state="ready"),
            _one("wa_account_state", steps((1, 16)), account="sales-1", state="paused"),
        ],
        6,
        12,
        {"account": "main"},
    ),
    Scenario(
        "account_silent",
        [_one("wa_account_state", steps((0, 1), (1, 5), (0, 5)), account="main", state="down")],
        2,
        7,
        {"account": "main"},
    ),
    Scenario(
        "account_restricted",
        [_one("wa_account_limited", steps((0, 1), (1, 5), (0, 5)), account="main")],
        1,
        7,
        {"account": "main"},
    ),
    Scenario(
        "account_near_cap",
        [
            _one("wa_account_sent_today", steps((50, 1), (95, 5), (10, 5)), account="main"),
            _one("wa_account_daily_cap", steps((100, 11)), account="main"),
            _one("wa_account_sent_today", steps((5000, 11)), account="without-a-cap"),
        ],
        2,
        7,
        {"account": "main"},
    ),
    Scenario(
        "acks_stopped",
        [
            _one(
                "wa_sender_submits_total", steps((0, 1), (5, 10)), "sender-main", result="in_doubt"
            ),
            _one(
                "wa_sender_submits_total", steps((0, 6), (20, 5)), "sender-main", result="accepted"
            ),
        ],
        2,
        7,
        {"worker": "sender-main"},
    ),
    Scenario(
        "page_symbols_missing",
        [
            _one(
                "wa_page_symbols_missing",
                steps((0, 1), (1, 6), (0, 5)),
                "sender-main",
                group="typing",
            ),
            _one("wa_page_symbols_missing", steps((0, 12)), "sender-main", group="sending"),
        ],
        3,
        8,
        {"worker": "sender-main"},
    ),
    _growth("memory_growing", "process_resident_memory_bytes", 400.0 * _MIB),
    _growth("browser_memory_growing", "wa_browser_memory_bytes", 700.0 * _MIB),
    Scenario(
        "lag_growing",
        [_one("wa_lag_records", steps((10, 20), (1000, 25)), topic="wa.outbound", partition="0")],
        30,
        36,
        {"topic": "wa.outbound", "partition": "0"},
    ),
    Scenario(
        "records_lost",
        [
            _one(
                "wa_lag_lost_records",
                steps((0, 1), (3, 5), (0, 5)),
                topic="wa.outbound",
                partition="0",
            )
        ],
        1,
        7,
        {"topic": "wa.outbound", "partition": "0"},
    ),
    Scenario(
        "webhook_paused",
        [
            _one(
                "wa_webhook_paused",
                steps((0, 1), (1, 5), (0, 5)),
                worker="webhooks",
                endpoint="crm",
            )
        ],
        2,
        7,
        {"endpoint": "crm"},
    ),
    Scenario(
        "webhook_given_up",
        [
            _one(
                "wa_webhook_events_given_up_total",
                steps((0, 2), (1, 66)),
                worker="webhooks",
                endpoint="crm",
            )
        ],
        2,
        63,
        {"endpoint": "crm"},
    ),
)
