"""Line charts as SVG: drawn by the server, so a page needs no chart library and no inline style. Writes no markup."""

import math
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from streams.console.model import measurements

WIDTH: Final = 720
HEIGHT: Final = 160
_TICKS: Final = 4


class Line(NamedTuple):
    """One series: its name, which is its CSS class too, its points for `polyline`, and its sum or last value."""

    name: str
    points: str
    total: float | None


class Chart(NamedTuple):
    """What the template draws. `ticks`: the values of the grid lines with their heights."""

    lines: list[Line]
    ticks: list[tuple[int, float]]
    minutes: int


# A series is the sum of these statuses.
SERIES: Final[Mapping[str, Sequence[str]]] = {
    "accepted": ("accepted",),
    "sent": ("sent",),
    "delivered": ("delivered",),
    "failed": ("failed", "rejected", "expired", "unknown"),
}


def build_chart(counts: Mapping[int, Mapping[str, int]], first_minute: int, minutes: int) -> Chart:
    """The chart of these minutes, from counts by minute and status."""
    values = {
        name: [
            sum(counts.get(first_minute + index, {}).get(status, 0) for status in statuses)
            for index in range(minutes)
        ]
        for name, statuses in SERIES.items()
    }
    top = _round_up(max(max(series) for series in values.values()))
    lines = [
        Line(name, _draw(series, top, minutes), sum(series)) for name, series in values.items()
    ]
    ticks = [(top * n // _TICKS, _get_y(top * n / _TICKS, top)) for n in range(_TICKS + 1)]
    return Chart(lines, ticks, minutes)


class Measurement(NamedTuple):
    """A chart of what was measured. `unit` follows each number."""

    title: str
    chart: "Chart"
    unit: str


def build_measurement_charts(
    connection: sqlite3.Connection, first_minute: int, minutes: int
) -> list[Measurement]:
    """Times, the age of the queue and the look-ups that were spared, in these minutes."""
    p50, p95 = (measurements.read_times(connection, first_minute, n) for n in (0.5, 0.95))
    ages = measurements.read_queue_age(connection, first_minute)
    hits = measurements.read_lookup_hits(connection, first_minute)

    def build(series: Mapping[str, Mapping[int, float]], least_top: int) -> Chart:
        return _build_lines(series, first_minute, minutes, least_top)

    return [
        Measurement("From acceptance to sent", build({"p50": p50, "p95": p95}, _TICKS), "s"),
        Measurement("Oldest message that could be sent", build({"age": ages}, _TICKS), "s"),
        Measurement("Look-ups spared by the cache", build({"hits": hits}, 100), "%"),
    ]


def _build_lines(
    series: Mapping[str, Mapping[int, float]], first_minute: int, minutes: int, least_top: int
) -> Chart:
    """Lines through the minutes with a value; `total` is the last value."""
    values = [value for points in series.values() for value in points.values()]
    top = max(least_top, _round_up(math.ceil(max(values, default=0))))
    step = WIDTH / max(1, minutes - 1)
    lines: list[Line] = []
    for name, points in series.items():
        shown = sorted((minute - first_minute, value) for minute, value in points.items())
        drawn = " ".join(f"{n * step:.1f},{_get_y(value, top):.1f}" for n, value in shown)
        if len(shown) == 1:  # a point is not visible: the line is a minute long
            [(n, value)] = shown
            drawn += f" {(n - 1 if n else 1) * step:.1f},{_get_y(value, top):.1f}"
        lines.append(Line(name, drawn, round(shown[-1][1], 1) if shown else None))
    ticks = [(top * n // _TICKS, _get_y(top * n / _TICKS, top)) for n in range(_TICKS + 1)]
    return Chart(lines, ticks, minutes)


def _draw(series: Sequence[int], top: int, minutes: int) -> str:
    step = WIDTH / max(1, minutes - 1)
    return " ".join(f"{n * step:.1f},{_get_y(value, top):.1f}" for n, value in enumerate(series))


def _get_y(value: float, top: int) -> float:
    return HEIGHT * (1 - value / top)


def _round_up(value: int) -> int:
    """The next number that divides into the grid lines without a rest: 4, 8, 20, 40, 80, 200, …"""
    top = _TICKS
    for factor in (2, 2.5, 2) * 6:
        if top >= value:
            break
        top = int(top * factor)
    return top
