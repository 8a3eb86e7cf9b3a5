"""Quiet hours, against a naive model that looks at every minute."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.quiet_hours import (
    SEARCH_S,
    QuietHours,
    next_allowed_s,
    next_quiet_s,
    parse_quiet_hours,
)
from streams.domain.time_zones import find_zones

NIGHT = parse_quiet_hours("21:00-08:00")
# With clock changes in both hemispheres, at midnight (Santiago), of half an hour (Lord Howe), and of a day (Apia).
ZONES = [
    ZoneInfo(name)
    for name in (
        "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Asia/Kolkata",
        "Asia/Kathmandu", "Pacific/Apia", "Pacific/Honolulu", "Africa/Casablanca", "UTC",
    )
]  # fmt: skip
# Nights of clock changes: Berlin, New York, Santiago, Lord Howe, Apia's missing 30 December 2011.
CHANGES = [
    datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC),
    datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 4, 5, tzinfo=UTC), datetime(2026, 9, 6, tzinfo=UTC),
    datetime(2026, 4, 4, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC), datetime(2011, 12, 30, tzinfo=UTC),
]  # fmt: skip
minutes = st.integers(0, 1439)
hours = st.tuples(minutes, minutes).filter(lambda pair: pair[0] != pair[1])
moments = st.builds(
    lambda change, minute, second: change.timestamp() + minute * 60 + second,
    st.sampled_from(CHANGES),
    st.integers(-2000, 2000),
    st.sampled_from([0.0, 0.25, 59.5]),
)


def is_quiet(quiet_hours: QuietHours, zones: Sequence[tzinfo], at_s: float) -> bool:
    for zone in zones:
        local = datetime.fromtimestamp(at_s, UTC).astimezone(zone)
        minute = local.hour * 60 + local.minute
        start, end = quiet_hours.start_minute, quiet_hours.end_minute
        if (start <= minute < end) if start < end else not (end <= minute < start):
            return True
    return False


def find_minute(
    quiet_hours: QuietHours, zones: Sequence[tzinfo], now_s: float, *, quiet: bool
) -> float | None:
    """Now, or the first minute that is as wanted."""
    at_s = now_s
    while at_s <= now_s + SEARCH_S:
        if is_quiet(quiet_hours, zones, at_s) is quiet:
            return at_s
        at_s = at_s // 60 * 60 + 60
    return None


@settings(max_examples=60, deadline=None)
@given(pair=hours, zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=2), now_s=moments)
def test_the_first_allowed_moment_is_that_of_the_model(
    pair: tuple[int, int], zones: list[ZoneInfo], now_s: float
) -> None:
    """In any zones, for any hours, also across midnight, and in the nights of clock changes."""
    quiet_hours = QuietHours(*pair)
    assert next_allowed_s(quiet_hours, zones, now_s) == find_minute(
        quiet_hours, zones, now_s, quiet=False
    )
    assert next_quiet_s(quiet_hours, zones, now_s) == find_minute(
        quiet_hours, zones, now_s, quiet=True
    )


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-03-28 20:59:59", "2026-03-28 20:59:59"),
        ("2026-03-28 21:00:00", "2026-03-29 08:00:00"),  # the night has an hour less
        ("2026-10-24 23:30:12", "2026-10-25 08:00:00"),  # and this one an hour more
        ("2026-10-25 07:59:59", "2026-10-25 08:00:00"),
    ],
)
def test_the_night_ends_by_the_wall_clock(now: str, due: str) -> None:
    """Eight o'clock is eight o'clock, however long the night was."""
    berlin = ZoneInfo("Europe/Berlin")
    now_s, due_s = (
        datetime.fromisoformat(text).replace(tzinfo=berlin).timestamp() for text in (now, due)
    )
    assert next_allowed_s(NIGHT, [berlin], now_s) == due_s


def test_hours_in_a_gap_of_the_clock_are_not_waited_for() -> None:
    """Until half past two does not come in this night: it ends when the clock goes from two to three."""
    berlin = ZoneInfo("Europe/Berlin")
    now_s = datetime(2026, 3, 29, 1, 0, tzinfo=berlin).timestamp()
    assert next_allowed_s(parse_quiet_hours("22:00-02:30"), [berlin], now_s) == now_s + 3600


def test_two_zones_must_both_be_awake() -> None:
    """A number of Newfoundland and Labrador may be in either of two zones, half an hour apart."""
    zones = find_zones("+17092345678")
    assert [str(zone) for zone in zones] == ["America/Halifax", "America/St_Johns"]
    morning_s = datetime(2026, 11, 27, 11, 40, tzinfo=UTC).timestamp()  # 7:40 and 8:10
    assert next_allowed_s(NIGHT, zones, morning_s) == morning_s + 20 * 60
    evening_s = datetime(2026, 11, 28, 0, 40, tzinfo=UTC).timestamp()  # 20:40 and 21:10
    due_s = datetime(2026, 11, 28, 12, 0, tzinfo=UTC).timestamp()
    assert next_allowed_s(NIGHT, zones, evening_s) == due_s


def test_hours_that_leave_no_time_end() -> None:
    """Ten zones that are never all awake: no loop, and no time."""
    quiet_hours = parse_quiet_hours("12:00-11:00")
    assert next_allowed_s(quiet_hours, ZONES, 1_790_000_000.0) is None


@pytest.mark.parametrize(
    ("phone", "names"),
    [
        ("+905550000001", ["Europe/Istanbul"]),
        ("+18765551234", ["America/Jamaica"]),  # not all of North America
        ("+870773111632", ["UTC"]),  # a satellite phone may be anywhere
        ("not a number", ["UTC"]),
    ],
)
def test_the_zones_of_a_number(phone: str, names: list[str]) -> None:
    """Only those of its own country, and UTC if it has none."""
    assert [str(zone) for zone in find_zones(phone)] == names


def test_a_number_of_a_large_country_has_a_time() -> None:
    """A Russian mobile number may be anywhere in Russia, and not in Kazakhstan."""
    zones = find_zones("+79161234567")
    assert len(zones) > 5
    assert "Asia/Almaty" not in [str(zone) for zone in zones]
    assert next_allowed_s(NIGHT, zones, 1_790_000_000.0) is not None


@pytest.mark.parametrize("text", ["", "21:00", "21-8", "24:00-08:00", "08:00-08:00", "a:b-c:d"])
def test_other_texts_are_not_hours(text: str) -> None:
    """Each raises one kind of error."""
    with pytest.raises(ValueError):  # noqa: PT011 - the texts differ
        parse_quiet_hours(text)
