"""Decides when an alert is raised and when it is cleared. Pure: no clock, no I/O; a state goes in, a new one comes out.

    condition                              alert          what happens
    -------------------------------------  -------------  -----------------------------------------------
    true, for less than the rule's time    not raised     wait
    true, for the rule's time              not raised     raise it
    true                                   raised         repeat it, twice in the retention of its record
    false, for less than CLEAR_AFTER_S     raised         wait: a restart of a worker clears nothing
    false, for CLEAR_AFTER_S               raised         clear it
    false                                  not raised     forget when the condition became true

The times of conditions are not stored. A new evaluator counts them from its own start, so it may raise an alert late,
and never twice: what is raised is known from `wa.alerts`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from streams.domain.alerts.expressions import Labels
from streams.domain.alerts.history import SampleHistory
from streams.domain.alerts.rules import RULES, Rule

CLEAR_AFTER_S: Final = 120.0
# Half of the retention of `wa.alerts`: the record of an alert that stays raised is never the one that is deleted.
REPEAT_AFTER_S: Final = 15 * 86_400.0


class AlertKey(NamedTuple):
    """One alert: of a rule, about one account, worker or partition."""

    rule: str
    labels: Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is known of one alert. Times are epoch seconds; None: it is not so."""

    true_since_s: float | None = None
    false_since_s: float | None = None
    raised_at_s: float | None = None
    published_at_s: float = 0.0  # its last record
    value: float | None = None  # when it was last true


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An alert was raised (again: `is_repeat`) or cleared, at this time."""

    key: AlertKey
    is_raised: bool
    raised_at_s: float
    at_s: float
    value: float | None
    is_repeat: bool = False


State = Mapping[AlertKey, Condition]


def evaluate(
    state: State,
    history: SampleHistory,
    now_s: float,
    rules: Iterable[Rule] = RULES,
    clear_after_s: float = CLEAR_AFTER_S,
) -> tuple[State, list[Change]]:
    """The state at `now_s`, and what has changed. An alert whose rule no longer exists is cleared."""
    broken: dict[AlertKey, tuple[Rule, float]] = {}
    for rule in rules:
        for labels, value in rule.expression.calculate(history, now_s).items():
            if rule.is_broken_by(value):
                broken[AlertKey(rule.name, labels)] = rule, value
    new_state: dict[AlertKey, Condition] = {}
    changes: list[Change] = []
    for key in dict.fromkeys((*state, *broken)):
        condition = state.get(key, Condition())
        if key in broken:
            condition, change = _when_true(key, condition, *broken[key], now_s)
        else:
            condition, change = _when_false(key, condition, now_s, clear_after_s)
        if condition is not None:
            new_state[key] = condition
        if change is not None:
            changes.append(change)
    return new_state, changes


def with_raised(state: State, raised: Mapping[AlertKey, Condition]) -> State:
    """The state after another look at what is raised, which is what `wa.alerts` says and nothing else."""
    merged: dict[AlertKey, Condition] = {}
    for key in dict.fromkeys((*state, *raised)):
        condition, stored = state.get(key, Condition()), raised.get(key, Condition())
        merged[key] = replace(
            condition, raised_at_s=stored.raised_at_s, published_at_s=stored.published_at_s
        )
    return merged


def _when_true(
    key: AlertKey, condition: Condition, rule: Rule, value: float, now_s: float
) -> tuple[Condition, Change | None]:
    since_s = _begin(condition.true_since_s, now_s)
    condition = replace(condition, true_since_s=since_s, false_since_s=None, value=value)
    if condition.raised_at_s is None:
        if now_s - since_s < rule.for_s:
            return condition, None
        return _publish(key, replace(condition, raised_at_s=now_s), now_s, now_s, is_repeat=False)
    if now_s - condition.published_at_s < REPEAT_AFTER_S:
        return condition, None
    return _publish(key, condition, condition.raised_at_s, now_s, is_repeat=True)


def _publish(
    key: AlertKey, condition: Condition, raised_at_s: float, now_s: float, *, is_repeat: bool
) -> tuple[Condition, Change]:
    change = Change(
        key=key,
        is_raised=True,
        raised_at_s=raised_at_s,
        at_s=raised_at_s,
        value=condition.value,
        is_repeat=is_repeat,
    )
    return replace(condition, published_at_s=now_s), change


def _when_false(
    key: AlertKey, condition: Condition, now_s: float, clear_after_s: float
) -> tuple[Condition | None, Change | None]:
    if condition.raised_at_s is None:
        return None, None
    since_s = _begin(condition.false_since_s, now_s)
    if now_s - since_s < clear_after_s:
        return replace(condition, true_since_s=None, false_since_s=since_s), None
    change = Change(
        key=key,
        is_raised=False,
        raised_at_s=condition.raised_at_s,
        at_s=now_s,
        value=None,
    )
    return None, change


def _begin(since_s: float | None, now_s: float) -> float:
    """Since when it is so. After a step back of the broker's clock, a later time than now counts as now."""
    return now_s if since_s is None else min(since_s, now_s)
