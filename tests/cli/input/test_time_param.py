"""Times as users type them."""

import pytest

from streams.cli.time_param import parse_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 999_910.0),
        ("15m", 999_100.0),
        ("2h", 992_800.0),
        ("1.5d", 870_400.0),
        ("99999d", 0.0),
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T01:01:00+01:00", 60.0),
    ],
)
def test_durations_and_times(text: str, expected: float) -> None:
    """Both become epoch seconds."""
    assert parse_time(text).to_epoch_s(now_s=1_000_000.0) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "5w",
        "-5m",
        "yesterday",
        "2026-13-01",
        "99999999999999",
        "9" * 400 + "s",
        "\u0661m",
        "\udcff",
        "5m\n",
        "1000-01-01",
    ],
)
def test_anything_else_is_not_a_time(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r".*"):
        parse_time(text)
