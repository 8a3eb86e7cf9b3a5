"""What `accounts list` prints of an account."""

import pytest

from streams.cli import output
from streams.cli.commands import accounts
from streams.cli.time_param import format_minute
from streams.contract.account import (
    AccountRecord,
    NewChatQuota,
    SlowReturn,
    WarmUp,
    describe_account,
)
from streams.observability.account_status import AccountStatus

SINCE = "2026-11-24T09:00:00.000Z"
UNTIL = "2026-11-25T09:30:00.000Z"


def make_record(**fields: object) -> AccountRecord:
    """A record of the account `main`."""
    values = {"state": "ready", "phone": "+905550000001", **fields}
    return AccountRecord(account="main", since=SINCE, **values)  # pyright: ignore[reportArgumentType]


LOCKED = make_record(reason="reachout_timelocked", until=UNTIL, new_chats_allowed=False)
CAPPED = make_record(
    reason="new_chats_capped",
    until=UNTIL,
    new_chats_allowed=False,
    new_chat_quota=NewChatQuota(total=1000, used=951, is_used_up=False, resets_at=UNTIL),
)
BANNED = make_record(state="restricted", reason="temporarily_banned", until=UNTIL)
SYNCING = make_record(state="syncing", progress=40)


def test_a_row_shows_what_limits_the_account() -> None:
    """The reason, its end, and how much of the quota of new chats is used."""
    rows = [
        accounts._to_row(AccountStatus("main", record))
        for record in (make_record(), LOCKED, CAPPED, BANNED, SYNCING)
    ]
    assert [row["state"] for row in rows] == [
        "ready",
        "ready",
        "ready",
        "restricted",
        "syncing 40 %",
    ]
    assert [row["new_chats"] for row in rows] == ["yes", "no", "951/1000", "yes", "yes"]
    assert [row["until"] for row in rows][1:4] == [format_minute(UNTIL)] * 3
    assert rows[0].get("until") is None
    capped = accounts._to_row(AccountStatus("main", make_record(sent_today=431, daily_cap=500)))
    assert (capped["sent_today"], capped["daily_cap"]) == (431, 500)
    assert accounts._to_row(AccountStatus("new"))["reason"] == "it has never run"


def test_the_warm_up_and_the_slow_return_are_shown() -> None:
    """The day, what is left of its limits, and the parts of the normal pace."""
    warm_up = WarmUp(
        day=3,
        messages_per_day=80,
        new_recipients_per_day=20,
        new_recipients_today=5,
        next_step_at=UNTIL,
    )
    returning = SlowReturn(messages_percent=25, new_chats_percent=50, ends_at=UNTIL)
    record = make_record(warm_up=warm_up, slow_return=returning, sent_today=30, daily_cap=20)
    row, end = accounts._to_row(AccountStatus("main", record)), format_minute(UNTIL)
    assert row["warm_up"] == (f"day 3, left 0/20 messages, 15/20 new recipients, next step {end}")
    assert row["slow_return"] == f"25 %, new chats 50 %, until {end}"
    plain = accounts._to_row(AccountStatus("main", make_record()))
    assert (plain["warm_up"], plain["slow_return"]) == (None, None)


def test_the_table_fits_in_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """With the longest words of the contract and a short name."""
    rows = [
        accounts._to_row(AccountStatus("main", record, age_s))
        for record in (LOCKED, CAPPED, BANNED)
        for age_s in (0.0, 1e6)
    ]
    output.print_records(rows, accounts._COLUMNS, accounts._DETAILS, as_json=False)
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80, printed


def test_a_state_in_a_few_words() -> None:
    """For a probe, a log line and `ps`."""
    assert describe_account(make_record()) == "ready"
    assert describe_account(SYNCING) == "syncing (40 %)"
    assert describe_account(BANNED) == f"restricted: temporarily_banned until {UNTIL}"
