"""The small decisions: errors, numbers, retries, ids, pacing, routing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain import backoff
from streams.domain.accounts import pacing
from streams.domain.accounts.routing import AccountChoice, Capacity, choose_account
from streams.domain.errors import CODES, Error, ErrorClass, error_for
from streams.domain.sending import message_id
from streams.testing.fixed_capacities import FixedCapacities


def test_an_unlisted_code_is_named_and_retried() -> None:
    """A new code of WhatsApp must not make the service lose a message."""
    error = error_for("E_NEW", "what it said")
    assert (error.code, error.error_class) == ("server_error", ErrorClass.TRANSIENT)
    assert "E_NEW" in error.detail


def test_the_predicates_of_an_error_are_about_one_code_each() -> None:
    """They are the few decisions that do not depend on the class alone."""
    errors = [Error(code) for code in CODES]
    assert [error.code for error in errors if error.is_timeout] == ["timeout_before_submit"]
    assert [error.code for error in errors if error.is_deadline_exceeded] == ["deadline_exceeded"]
    not_on_whatsapp = [error.code for error in errors if error.is_not_on_whatsapp]
    assert not_on_whatsapp == ["recipient_not_on_whatsapp"]


def test_a_detail_is_cut() -> None:
    """A page may answer with megabytes, and the row, the event and the status must still be writable."""
    assert len(Error("server_error", "x" * 1_000_000).detail) == 1000
    assert Error("server_error", "x" * 1000).detail == "x" * 1000


def test_every_code_has_a_title() -> None:
    """People read titles."""
    assert all(title for _, title in CODES.values())


def test_retry_gaps_double_within_full_jitter() -> None:
    """Each gap lies between 0 and its doubled maximum, and is the same for the same attempt."""
    for attempt in range(1, 12):
        delay_s = backoff.retry_delay_s(request_id="order-1", attempt=attempt, base_delay_s=5.0)
        assert 0 <= delay_s <= min(300.0, 5.0 * 2 ** (attempt - 1))
        assert delay_s == backoff.retry_delay_s(
            request_id="order-1", attempt=attempt, base_delay_s=5.0
        )


def test_retry_jitter_spreads() -> None:
    """A thousand messages that failed together do not come back together."""
    delays = sorted(
        backoff.retry_delay_s(request_id=f"m{i}", attempt=1, base_delay_s=5.0) for i in range(1000)
    )
    assert delays[100] < 1.0
    assert delays[900] > 4.0


@given(st.text(), st.text(), st.text())
def test_whatsapp_ids_have_whatsapps_form(account: str, phone: str, request_id: str) -> None:
    """An id is `3EB0` and 18 hex digits, the same every time."""
    made = message_id.derive_whatsapp_id("wa", account, phone, request_id)
    assert re.fullmatch(r"3EB0[0-9A-F]{18}", made)
    assert made == message_id.derive_whatsapp_id("wa", account, phone, request_id)


def test_whatsapp_ids_do_not_mix_their_parts() -> None:
    """`ab` + `c` is not `a` + `bc`."""
    assert message_id.derive_whatsapp_id("wa", "ab", "c", "d") != message_id.derive_whatsapp_id(
        "wa", "a", "bc", "d"
    )


def test_pacing_names_what_holds_a_message_back() -> None:
    """Of the interval, the minute's limit and the day's cap, the one that holds longest is named."""
    pace = pacing.Pace(interval_s=0.5, per_minute=2, per_day=3)
    assert pacing.next_send_at_s((), pace) == (0.0, "")
    assert pacing.next_send_at_s((10.0,), pace) == (10.5, "")
    assert pacing.next_send_at_s((10.0, 20.0), pace) == (70.0, "account_rate_limited")
    assert pacing.next_send_at_s((10.0, 20.0, 100.0), pace) == (86_410.0, "account_daily_cap")


READY, BUSY, DOWN = Capacity(True, 2), Capacity(True, 0), Capacity(False, 0)


@pytest.mark.parametrize(
    ("required", "preferred", "accounts", "choice"),
    [
        (None, None, {}, AccountChoice(blocked_reason="no_account")),
        (None, None, {"a": DOWN, "b": READY}, AccountChoice(account="b")),
        (None, "a", {"a": READY, "b": Capacity(True, 9)}, AccountChoice(account="a")),
        (
            None,
            "a",
            {"a": BUSY, "b": READY},
            AccountChoice(blocked_reason="account_busy", required_account="a"),
        ),
        (None, "a", {"a": DOWN, "b": READY}, AccountChoice(account="b")),
        (
            "a",
            "b",
            {"a": DOWN, "b": READY},
            AccountChoice(blocked_reason="no_account", required_account="a"),
        ),
        ("x", None, {"a": READY}, AccountChoice(blocked_reason="no_account", required_account="x")),
    ],
)
def test_routing(
    required: str | None,
    preferred: str | None,
    accounts: dict[str, Capacity],
    choice: AccountChoice,
) -> None:
    """The required account is chosen, else the phone's last one if it is ready, else one that is ready."""
    assert (
        choose_account(required, preferred, FixedCapacities(accounts), phone="+60123456789")
        == choice
    )
