"""A line chart as SVG: drawn by the server, so a page needs no chart library and no inline style. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

WIDTH: Final = 720
HEIGHT: Final = 160
_TICKS: Final = 4


class Line(NamedTuple):
    """One series: its name, which is its CSS class too, its points for `polyline`, and its sum."""

    name: str
    points: str
    total: int


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
