"""The rules: which condition raises which alert. The only place of the thresholds.

`deploy/prometheus/` is generated from this table, and the dispatcher decides with it on what goes to `wa.alerts`.
Each alert has a page in `docs/runbook/`. Pure.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from streams.domain.alerts.expressions import (
    Expression,
    Growth,
    Increase,
    Latest,
    Selector,
    Share,
    Unless,
    find_metrics,
)

Severity: TypeAlias = Literal["warning", "critical"]

_MINUTE_S: Final = 60.0
_HOUR_S: Final = 3600.0
_MIB: Final = 1_048_576
_CANNOT_SEND: Final = ("linking", "logged_out", "reconnecting", "starting", "syncing")
_ACCOUNT: Final = ("account",)
_WORKER: Final = ("worker",)
# Samples of a dispatcher alone: every worker exports these metrics of all accounts.
ACCOUNT_METRIC_PREFIX: Final = "wa_account_"
# What is seldom true is sampled only while it is: a series that ends counts as false.
SPARSE_METRICS: Final = frozenset({"wa_account_state", "wa_account_limited"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Raised while `expression` is above `above`, or below `below`, for `for_s` seconds."""

    name: str
    summary: str
    severity: Severity
    expression: Expression
    above: float | None = None
    below: float | None = None
    for_s: float = 0.0

    @property
    def threshold(self) -> float:
        """The value at which the condition begins to be false."""
        threshold = self.above if self.above is not None else self.below
        assert threshold is not None, f"{self.name} has no threshold"
        return threshold

    @property
    def runbook(self) -> str:
        """The page that says what to do, in the repository."""
        return f"docs/runbook/{self.name}.md"

    def is_broken_by(self, value: float) -> bool:
        """Whether the condition is true at this value."""
        return value > self.threshold if self.above is not None else value < self.threshold


def _statuses(status: str) -> Increase:
    return Increase(Selector("wa_statuses_total", having={"status": (status,)}), _HOUR_S)


def _submits(result: str) -> Increase:
    selector = Selector("wa_sender_submits_total", having={"result": (result,)})
    return Increase(selector, 5 * _MINUTE_S, by=_WORKER)


def _lookups(result: str) -> Increase:
    return Increase(Selector("wa_sender_lookups_total", having={"result": (result,)}), _HOUR_S)


def _waiting() -> Latest:
    """The messages that could be sent now, and wait."""
    selector = Selector("wa_messages_waiting", lacking={"reason": ("scheduled", "quiet_hours")})
    return Latest(selector, how="sum")


def _account_states(*states: str) -> Latest:
    return Latest(Selector("wa_account_state", having={"state": states}), by=_ACCOUNT)


def _memory_growth(metric: str) -> Growth:
    return Growth(Selector(metric), 15 * _MINUTE_S, _HOUR_S, by=_WORKER)


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        name="queue_long",
        summary="More than 500 messages wait that could be sent",
        severity="warning",
        expression=_waiting(),
        above=500,
        for_s=5 * _MINUTE_S,
    ),
    Rule(
        name="oldest_waiting",
        summary="A message that could be sent has waited for more than 15 minutes",
        severity="warning",
        expression=Latest(Selector("wa_oldest_waiting_seconds")),
        above=15 * _MINUTE_S,
        for_s=5 * _MINUTE_S,
    ),
    Rule(
        name="lookup_hits_low",
        summary="Fewer than 80 % of an hour's numbers were known without asking",
        severity="warning",
        expression=Share(_lookups("cached"), (_lookups("cached"), _lookups("asked")), 100),
        below=0.8,
        for_s=15 * _MINUTE_S,
    ),
    Rule(
        name="success_low",
        summary="Fewer than 99 % of the messages that ended in an hour were sent",
        severity="critical",
        expression=Share(
            _statuses("sent"), (_statuses("sent"), _statuses("failed"), _statuses("unknown")), 100
        ),
        below=0.99,
        for_s=5 * _MINUTE_S,
    ),
    Rule(
        name="outcome_unknown",
        summary="Nobody can tell whether a message was sent: it is a dead letter",
        severity="critical",
        expression=_statuses("unknown"),
        above=0,
    ),
    Rule(
        name="no_account_can_send",
        summary="Messages wait, and no account at all can send",
        severity="critical",
        # Whatever the reason: logged out, restricted, paused, stopped, silent. The rules below name the account.
        expression=Unless(
            _waiting(), Latest(Selector("wa_account_state", having={"state": ("ready",)}))
        ),
        above=0,
        for_s=2 * _MINUTE_S,
    ),
    Rule(
        name="account_not_ready",
        summary="An account is not connected, so it sends nothing",
        severity="critical",
        expression=_account_states(*_CANNOT_SEND),
        above=0,
        for_s=5 * _MINUTE_S,
    ),
    Rule(
        name="account_silent",
        summary="The sender of an account gives no heartbeat",
        severity="critical",
        expression=_account_states("down"),
        above=0,
        for_s=_MINUTE_S,
    ),
    Rule(
        name="account_restricted",
        summary="WhatsApp, or a sign of a block, limits what an account may send",
        severity="critical",
        expression=Latest(Selector("wa_account_limited"), by=_ACCOUNT),
        above=0,
    ),
    Rule(
        name="account_near_cap",
        summary="An account has sent more than 90 % of what it may send in 24 hours",
        severity="warning",
        expression=Share(
            Latest(Selector("wa_account_sent_today"), by=_ACCOUNT),
            (Latest(Selector("wa_account_daily_cap"), by=_ACCOUNT),),
            1,
        ),
        above=0.9,
        for_s=_MINUTE_S,
    ),
    Rule(
        name="acks_stopped",
        summary="WhatsApp acknowledges fewer than half of the messages in time",
        severity="critical",
        expression=Share(_submits("in_doubt"), (_submits("in_doubt"), _submits("accepted")), 3),
        above=0.5,
        for_s=_MINUTE_S,
    ),
    Rule(
        name="page_symbols_missing",
        summary="WhatsApp's page no longer offers something that is needed",
        severity="critical",
        expression=Latest(Selector("wa_page_symbols_missing"), by=_WORKER, how="sum"),
        above=0,
        for_s=2 * _MINUTE_S,
    ),
    Rule(
        name="memory_growing",
        summary="A worker holds 200 MiB more than an hour ago",
        severity="warning",
        expression=_memory_growth("process_resident_memory_bytes"),
        above=200 * _MIB,
        for_s=30 * _MINUTE_S,
    ),
    Rule(
        name="browser_memory_growing",
        summary="The browser of an account holds 500 MiB more than an hour ago",
        severity="warning",
        expression=_memory_growth("wa_browser_memory_bytes"),
        above=500 * _MIB,
        for_s=30 * _MINUTE_S,
    ),
    Rule(
        name="lag_growing",
        summary="Records arrive faster than they are processed",
        severity="warning",
        expression=Growth(
            Selector("wa_lag_records"), 5 * _MINUTE_S, 10 * _MINUTE_S, by=("topic", "partition")
        ),
        above=500,
        for_s=5 * _MINUTE_S,
    ),
    Rule(
        name="records_lost",
        summary="The retention of a topic has deleted records before they were read",
        severity="critical",
        expression=Latest(Selector("wa_lag_lost_records"), by=("topic", "partition")),
        above=0,
    ),
    Rule(
        name="webhook_paused",
        summary="An endpoint of webhooks gets nothing until a person resumes it",
        severity="warning",
        expression=Latest(Selector("wa_webhook_paused"), by=("endpoint",)),
        above=0,
        for_s=_MINUTE_S,
    ),
    Rule(
        name="webhook_given_up",
        summary="A webhook event was given up after a day of failures",
        severity="warning",
        expression=Increase(
            Selector("wa_webhook_events_given_up_total"), _HOUR_S, by=("endpoint",)
        ),
        above=0,
    ),
)


def sampled_metrics() -> frozenset[str]:
    """The metrics that the rules need."""
    return frozenset(needed_s())


def needed_s() -> dict[str, float]:
    """For how long each metric must be kept."""
    needed: dict[str, float] = {}
    for rule in RULES:
        for metric in find_metrics(rule.expression):
            needed[metric] = max(needed.get(metric, 0.0), rule.expression.span_s)
    return needed
