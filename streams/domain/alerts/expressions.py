"""What a rule calculates from metrics. Each kind has one meaning, here and in PromQL (deploy/generate/promql.py).

Pure. A test runs both on the same samples. A group of which too little is known has no value, and so no alert.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from streams.domain.alerts.history import Point, SampleHistory, SeriesHistory

# The values of the labels by which an expression groups, in their order.
Labels: TypeAlias = tuple[tuple[str, str], ...]
Values: TypeAlias = dict[Labels, float]
Aggregation: TypeAlias = Literal["sum", "max"]

_AGGREGATIONS: Final[dict[Aggregation, Callable[[Iterable[float]], float]]] = {
    "sum": sum,
    "max": max,
}


@dataclass(frozen=True, slots=True)
class Selector:
    """The series of a metric whose labels have one of these values, and none of those."""

    metric: str
    having: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    lacking: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])

    def find(self, history: SampleHistory) -> list[SeriesHistory]:
        """The series that match."""
        return [series for series in history.select(self.metric) if self._matches(series.labels)]

    def _matches(self, labels: Mapping[str, str]) -> bool:
        has = all(labels.get(name, "") in values for name, values in self.having.items())
        return has and not any(labels.get(name, "") in vs for name, vs in self.lacking.items())


@dataclass(frozen=True, slots=True)
class Latest:
    """The present values, added up or the largest of each group."""

    selector: Selector
    by: tuple[str, ...] = ()
    how: Aggregation = "max"
    span_s = 0.0

    def calculate(self, history: SampleHistory, now_s: float) -> Values:
        """The value of each group."""
        found = self.selector.find(history)
        values = [(s, s.points[-1].value) for s in found if history.is_current(s, now_s)]
        return _group(values, self.by, self.how)


@dataclass(frozen=True, slots=True)
class Increase:
    """By how much counters grew within `span_s`, restarts taken into account, added up for each group."""

    selector: Selector
    span_s: float
    by: tuple[str, ...] = ()

    def calculate(self, history: SampleHistory, now_s: float) -> Values:
        """The value of each group. A series with one point has not grown as far as is known: it has no value."""
        spans = [
            (series, series.between(now_s - self.span_s, now_s))
            for series in self.selector.find(history)
        ]
        values = [(series, _grown(points)) for series, points in spans if len(points) > 1]
        return _group(values, self.by, "sum")


@dataclass(frozen=True, slots=True)
class Growth:
    """By how much the floor of a gauge is higher than it was: the lowest value within `span_s`, now and `apart_s` ago.

    What only goes up and down, such as memory before and after a collection of garbage, does not grow.
    """

    selector: Selector
    floor_s: float
    apart_s: float
    by: tuple[str, ...] = ()

    @property
    def span_s(self) -> float:
        """How far back it looks."""
        return self.floor_s + self.apart_s

    def calculate(self, history: SampleHistory, now_s: float) -> Values:
        """The largest growth of each group."""
        values: list[tuple[SeriesHistory, float]] = []
        for series in self.selector.find(history):
            now = series.between(now_s - self.floor_s, now_s)
            then = series.between(now_s - self.span_s, now_s - self.apart_s)
            if now and then:
                growth = min(point.value for point in now) - min(point.value for point in then)
                values.append((series, growth))
        return _group(values, self.by, "max")


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the whole, from 0 to 1. Below `min_whole` it says nothing."""

    part: "Latest | Increase"
    whole: "tuple[Latest | Increase, ...]"
    min_whole: float

    @property
    def by(self) -> tuple[str, ...]:
        """The labels of a group."""
        return self.part.by

    @property
    def span_s(self) -> float:
        """How far back it looks."""
        return max(term.span_s for term in (self.part, *self.whole))

    def calculate(self, history: SampleHistory, now_s: float) -> Values:
        """The value of each group that every term has."""
        parts = self.part.calculate(history, now_s)
        terms = [term.calculate(history, now_s) for term in self.whole]
        values: Values = {}
        for labels, part in parts.items():
            if all(labels in term for term in terms):
                whole = sum(term[labels] for term in terms)
                if whole >= self.min_whole:
                    values[labels] = part / whole
        return values


@dataclass(frozen=True, slots=True)
class Unless:
    """The value of each group for which `other` is not above 0, whether it is known or not."""

    value: Latest
    other: Latest

    @property
    def by(self) -> tuple[str, ...]:
        """The labels of a group."""
        return self.value.by

    @property
    def span_s(self) -> float:
        """How far back it looks."""
        return max(self.value.span_s, self.other.span_s)

    def calculate(self, history: SampleHistory, now_s: float) -> Values:
        """The value of each group that is left."""
        others = self.other.calculate(history, now_s)
        values = self.value.calculate(history, now_s)
        return {labels: value for labels, value in values.items() if others.get(labels, 0.0) <= 0}


Expression: TypeAlias = Latest | Increase | Growth | Share | Unless


def find_metrics(expression: Expression) -> set[str]:
    """The metrics that it needs."""
    if isinstance(expression, Share):
        return {term.selector.metric for term in (expression.part, *expression.whole)}
    if isinstance(expression, Unless):
        return {term.selector.metric for term in (expression.value, expression.other)}
    return {expression.selector.metric}


def _grown(points: Sequence[Point]) -> float:
    """A counter that falls was restarted: since then it has grown to its value."""
    pairs = itertools.pairwise(points)
    return sum(
        after.value - before.value if after.value >= before.value else after.value
        for before, after in pairs
    )


def _group(
    values: Iterable[tuple[SeriesHistory, float]], by: tuple[str, ...], how: Aggregation
) -> Values:
    groups: dict[Labels, list[float]] = {}
    for series, value in values:
        labels = tuple((name, series.labels.get(name, "")) for name in by)
        groups.setdefault(labels, []).append(value)
    return {labels: _AGGREGATIONS[how](group) for labels, group in groups.items()}
