"""Roles, sessions and the checks against other sites. Pure, except for one server of aiohttp's test kit."""

import sqlite3

import pytest
from aiohttp.test_utils import make_mocked_request

from streams.console.model import measurements
from streams.console.web.access import (
    MAX_FAILED_LOGINS,
    SESSION_LIFETIME_S,
    Access,
    Role,
    get_bearer_token,
    is_cross_site,
    is_foreign_host,
)
from streams.console.web.chart import SERIES, build_chart, build_measurement_charts


class Clock:
    """A monotonic clock that a test sets."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_each_token_has_its_role() -> None:
    """Another token has none, and neither has an empty one if a token is not set."""
    access = Access("look", "act")
    tokens = ("look", "act", "LOOK", "", "ac", "é", "\udcff")
    roles = [access.find_role(token) for token in tokens]
    assert roles == [Role.VIEW, Role.OPERATE, None, None, None, None, None]
    assert Access(None, "act").find_role("") is None
    assert [Access(*tokens).is_open for tokens in ((None, None), ("a", None), (None, "a"))] == [
        True, False, False,
    ]  # fmt: skip


def test_a_session_is_read_only_by_the_process_that_gave_it() -> None:
    """A changed cookie, one of another process, and one that is over are no sessions."""
    clock = Clock()
    access = Access("look", "act", monotonic_s=clock)
    cookie = access.make_cookie(Role.VIEW)
    session = access.read_cookie(cookie)
    assert session is not None
    assert (session.role, session.can_operate) == (Role.VIEW, False)
    assert access.read_cookie(access.make_cookie(Role.VIEW)) != session
    forged = cookie.replace("view", "operate")
    for wrong in (forged, cookie[:-1], cookie + "a", "", None, "a.b.c.d", "é", "\udcff.1"):
        assert access.read_cookie(wrong) is None
    assert Access("look", "act").read_cookie(cookie) is None
    clock.now_s += SESSION_LIFETIME_S + 1
    assert access.read_cookie(cookie) is None


def test_tokens_cannot_be_tried_out() -> None:
    """After ten wrong ones in a minute, an address is refused until the minute is over; another one is not."""
    clock = Clock()
    access = Access(None, "act", monotonic_s=clock)
    cookie = access.make_cookie(Role.OPERATE)
    for address in ("192.0.2.1", "2001:db8::1"):
        for _ in range(MAX_FAILED_LOGINS):
            assert access.log_in("wrong", address) is None
        assert access.log_in("act", address) is None
    assert access.log_in("act", "2001:db8::2") is None  # of the same network
    assert access.log_in("act", "2001:db8:0:1::1") is Role.OPERATE
    assert access.log_in("act", "192.0.2.2") is Role.OPERATE
    assert access.find_role("act") is Role.OPERATE  # of a program
    assert access.read_cookie(cookie) is not None
    clock.now_s += 61
    assert access.log_in("act", "192.0.2.1") is Role.OPERATE


def test_the_failures_of_many_addresses_are_bounded() -> None:
    """Whoever has many addresses fills no memory, and locks nobody else out."""
    access = Access(None, "act", monotonic_s=Clock())
    for number in range(20_000):
        assert access.log_in("wrong", f"10.0.{number // 256}.{number % 256}") is None
    assert len(access._failures) <= 10_001
    assert access.log_in("act", "192.0.2.1") is Role.OPERATE


@pytest.mark.parametrize(
    ("host", "is_foreign"),
    [
        ("127.0.0.1:8080", False),
        ("localhost", False),
        ("[::1]:8080", False),
        ("evil.example", True),
        ("127.0.0.1.evil.example", True),
        ("localhost.evil.example:8080", True),
        ("192.0.2.1", True),
    ],
)
def test_only_a_name_of_this_machine_is_its_own(host: str, is_foreign: bool) -> None:
    """A page elsewhere can give its own name the address of this machine, but not change the name."""
    assert is_foreign_host(make_mocked_request("GET", "/", {"Host": host})) is is_foreign


@pytest.mark.parametrize(
    ("headers", "is_foreign"),
    [
        ({}, False),  # a program
        ({"Origin": "http://127.0.0.1:8080"}, False),
        ({"Origin": "https://127.0.0.1:8080"}, False),  # behind a proxy with TLS
        ({"Origin": "http://127.0.0.1:8081"}, True),
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8080"}, False),
    ],
)
def test_a_post_of_another_site_is_recognised(headers: dict[str, str], is_foreign: bool) -> None:
    """A GET changes nothing, so it may come from everywhere."""
    given = {"Host": "127.0.0.1:8080", **headers}
    assert is_cross_site(make_mocked_request("POST", "/", given)) is is_foreign
    assert is_cross_site(make_mocked_request("GET", "/", given)) is False


def test_a_bearer_token_is_read() -> None:
    """Other schemes are not tokens."""
    values = {"Bearer a": "a", "bearer  a ": "a", "Basic a": "", "a": "", "": ""}
    for value, token in values.items():
        assert get_bearer_token(make_mocked_request("GET", "/", {"Authorization": value})) == token


def test_the_chart_has_a_line_for_each_series() -> None:
    """Its sums are those of the minutes that are shown, and its scale ends above the highest value."""
    counts = {9: {"accepted": 99}, 10: {"accepted": 3, "failed": 1}, 11: {"rejected": 2, "read": 5}}
    chart = build_chart(counts, 10, 2)
    assert {line.name: line.total for line in chart.lines} == {
        "accepted": 3, "sent": 0, "delivered": 0, "failed": 3,
    }  # fmt: skip
    assert chart.lines[0].points == "0.0,40.0 720.0,160.0"
    assert [value for value, _ in chart.ticks] == [0, 1, 2, 3, 4]
    assert build_chart({}, 0, 60).lines[0].total == 0
    assert set(SERIES) == {line.name for line in chart.lines}


@pytest.mark.parametrize("minute", [0, 59])
def test_a_single_value_is_visible(monkeypatch: pytest.MonkeyPatch, minute: int) -> None:
    """It is a short line: a point would be as small as the line is thick. Nothing is left of the scale."""
    for name in ("read_times", "read_lookup_hits"):
        monkeypatch.setattr(measurements, name, lambda *_: {})
    monkeypatch.setattr(measurements, "read_queue_age", lambda *_: {minute: 2.0})
    with sqlite3.connect(":memory:") as connection:
        age = build_measurement_charts(connection, 0, 60)[1].chart.lines[0]
    (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in age.points.split())
    assert abs(x1 - x2) > 10
    assert min(x1, x2) >= 0
    assert y1 == y2 == 80
    assert age.total == 2.0


@pytest.mark.parametrize("top", [1, 5, 9, 21, 399, 12_345, 999_999])
def test_the_scale_holds_every_value(top: int) -> None:
    """No point is outside the picture, and each grid line is a whole number."""
    chart = build_chart({0: {"sent": top}}, 0, 1)
    assert chart.ticks[-1][0] >= top
    y = float(chart.lines[1].points.partition(",")[2])
    assert 0 <= y <= 160
