"""The charts of a report as what a template draws: bars with their heights and labels. Pure, and without any markup."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from streams.operations.reports.figures import Figures, Group, Hour

WIDTH: Final = 720
HEIGHT: Final = 160
_GAP: Final = 0.25  # of the width of a bar
_MAX_BARS: Final = 24


class Bar(NamedTuple):
    """One bar: its place and size, what stands below it, and what it says in words. `kind` is its CSS class."""

    x: float
    y: float
    width: float
    height: float
    label: str
    text: str
    kind: str


class Step(NamedTuple):
    """One step of the funnel: how many messages reached it, and which part of those that were accepted."""

    name: str
    messages: int
    share: float | None

    @property
    def width(self) -> float:
        """Of its bar."""
        return WIDTH * (self.share or 0.0)


def build_funnel(figures: Figures) -> list[Step]:
    """The steps from the acceptance on."""
    counts = {
        "accepted": figures.accepted,
        "sent": figures.sent,
        "delivered": figures.delivered,
        "read": figures.read,
    }
    total = figures.accepted
    return [Step(name, count, count / total if total else None) for name, count in counts.items()]


def build_hours(hours: Sequence[Hour]) -> list[Bar]:
    """A bar for each hour: the part of the sent messages that was read."""
    texts = [
        f"{hour.hour:02}:00: {hour.sent} sent, {hour.read} read"
        + ("" if hour.read_share is None else f" ({hour.read_share:.0%})")
        for hour in hours
    ]
    values = [hour.read_share or 0.0 for hour in hours]
    kinds = ["best" if hour.is_best else "hour" for hour in hours]
    labels = [f"{hour.hour:02}" for hour in hours]
    return _build_bars(values, 1.0, labels, texts, kinds)


def build_groups(groups: Sequence[Group]) -> list[Bar]:
    """A bar for each of the first groups: how many messages it has."""
    shown = groups[:_MAX_BARS]
    values = [group.figures.messages for group in shown]
    texts = [f"{group.name}: {group.figures.messages} messages" for group in shown]
    labels = [str(number) for number in range(1, len(shown) + 1)]
    return _build_bars(values, max(values, default=1), labels, texts, ["group"] * len(shown))


def _build_bars(
    values: Sequence[float],
    top: float,
    labels: Sequence[str],
    texts: Sequence[str],
    kinds: Sequence[str],
) -> list[Bar]:
    place = WIDTH / max(1, len(values))
    bars: list[Bar] = []
    for n, value in enumerate(values):
        height = HEIGHT * value / top
        x, width = place * (n + _GAP / 2), place * (1 - _GAP)
        bars.append(Bar(x, HEIGHT - height, width, height, labels[n], texts[n], kinds[n]))
    return bars
