"""Writes the expressions of the alert rules in PromQL. streams/domain/alerts/expressions.py has their meaning."""

from collections.abc import Mapping, Sequence

from streams.domain.alerts.expressions import (
    Expression,
    Growth,
    Increase,
    Latest,
    Selector,
    Share,
    Unless,
)

# `wa_worker` is 1 and has the worker's name, which other metrics do not have.
_WITH_WORKER = "* on (job, instance) group_left (worker) wa_worker"


def to_promql(expression: Expression) -> str:
    """The expression as Prometheus reads it."""
    match expression:
        case Latest(selector, by, how):
            return _aggregate(how, by, render_selector(selector))
        case Increase(selector, span_s, by):
            range_ = format_duration(span_s)
            return _aggregate("sum", by, f"increase({render_selector(selector)}[{range_}])")
        case Growth(selector, floor_s, apart_s, by):
            floor = f"{render_selector(selector)}[{format_duration(floor_s)}]"
            then = f"{floor} offset {format_duration(apart_s)}"
            growth = f"(min_over_time({floor}) - min_over_time({then}))"
            return _aggregate("max", by, growth)
        case Share(part, whole, min_whole):
            total = " + ".join(to_promql(term) for term in whole)
            return f"{to_promql(part)} / (({total}) >= {min_whole:g})"
        case Unless(value, other):
            # A comparison binds more tightly than `unless`, and the rule compares the whole.
            return f"({to_promql(value)} unless {to_promql(other)} > 0)"


def render_selector(selector: Selector) -> str:
    """`metric{label="value"}`."""
    matchers = [
        *_render_matchers(selector.having, "=", "=~"),
        *_render_matchers(selector.lacking, "!=", "!~"),
    ]
    return f"{selector.metric}{{{','.join(matchers)}}}" if matchers else selector.metric


def format_duration(seconds: float) -> str:
    """`90s`, `15m`, `1h`."""
    for unit, unit_s in (("h", 3600), ("m", 60)):
        if seconds >= unit_s and seconds % unit_s == 0:
            return f"{seconds / unit_s:.0f}{unit}"
    return f"{seconds:.0f}s"


def _render_matchers(labels: Mapping[str, Sequence[str]], equal: str, like: str) -> list[str]:
    return [
        f'{name}{equal if len(values) == 1 else like}"{"|".join(values)}"'
        for name, values in labels.items()
    ]


def _aggregate(how: str, by: tuple[str, ...], operand: str) -> str:
    if "worker" in by:
        operand = f"{operand} {_WITH_WORKER}"
    return f"{how} by ({', '.join(by)}) ({operand})" if by else f"{how}({operand})"
