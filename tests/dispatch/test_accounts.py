"""How the dispatcher reads the records of accounts."""

from typing import Any

import pytest

from streams.contract import account
from streams.contract.account import AccountRecord
from streams.contract.timestamps import format_rfc3339
from streams.dispatch.accounts import Accounts
from streams.domain.accounts.requests import AccountRequest, encode
from streams.domain.accounts.routing import Availability

NOW_S = 1_000_000_000.0


def record(
    state: Any = "ready", free_at_s: float = 0.0, *, new_chats_allowed: bool = True
) -> bytes:
    free_at = format_rfc3339(free_at_s) if free_at_s else None
    account_record = AccountRecord(
        account="main",
        state=state,
        since=format_rfc3339(NOW_S),
        free_at=free_at,
        new_chats_allowed=new_chats_allowed,
    )
    return account.encode(account_record)


def test_only_ready_accounts_send() -> None:
    """In every other state an account is down; without a record there is no account."""
    changes: list[int] = []
    accounts = Accounts(lambda: changes.append(1))
    assert accounts.get_availabilities(NOW_S) == {}
    accounts.apply_record(b"main", record("linking"))
    assert accounts.get_availabilities(NOW_S) == {"main": Availability.DOWN}
    accounts.apply_record(b"main", record())
    assert accounts.get_availabilities(NOW_S) == {"main": Availability.READY}
    accounts.apply_record(b"main", None)
    assert accounts.get_availabilities(NOW_S) == {}
    assert len(changes) == 3


def test_a_heartbeat_is_not_a_change() -> None:
    """A heartbeat wakes no phone."""
    changes: list[int] = []
    accounts = Accounts(lambda: changes.append(1))
    accounts.apply_record(b"main", record())
    accounts.apply_record(b"main", record())
    assert len(changes) == 1


def test_an_account_at_its_pace_is_busy_until_then() -> None:
    """The timer service can see when the account is free again."""
    accounts = Accounts(lambda: None)
    accounts.apply_record(b"main", record(free_at_s=NOW_S + 30))
    assert accounts.get_availabilities(NOW_S) == {"main": Availability.BUSY}
    assert accounts.next_change_s(NOW_S) == NOW_S + 30
    assert accounts.get_availabilities(NOW_S + 30) == {"main": Availability.READY}
    assert accounts.next_change_s(NOW_S + 30) == float("inf")


def test_an_account_that_is_held_for_long_is_capped() -> None:
    """At its daily cap, for example: its conversations go to others until it is about to be free."""
    accounts = Accounts(lambda: None)
    accounts.apply_record(b"main", record(free_at_s=NOW_S + 3600))
    assert accounts.get_availabilities(NOW_S) == {"main": Availability.CAPPED}
    assert accounts.get_availabilities(NOW_S + 3550) == {"main": Availability.BUSY}


def test_an_account_is_busy_again_if_the_clock_is_set_back() -> None:
    """Also if somebody else asks for a time that is a little earlier: each gets the answer for its own time."""
    accounts = Accounts(lambda: None)
    accounts.apply_record(b"main", record(free_at_s=NOW_S + 30))
    for after_s, availability in (
        (31, Availability.READY),
        (29, Availability.BUSY),
        (31, Availability.READY),
        (-3600, Availability.CAPPED),
        (30, Availability.READY),
    ):
        assert accounts.get_availabilities(NOW_S + after_s) == {"main": availability}


def test_which_accounts_may_open_no_new_chats() -> None:
    """Such an account is ready; the phone stage gives it to a phone only as its last choice."""
    changes: list[int] = []
    accounts = Accounts(lambda: changes.append(1))
    accounts.apply_record(b"main", record())
    for is_allowed in (False, False, True):
        accounts.apply_record(b"main", record(new_chats_allowed=is_allowed))
        assert accounts.without_new_chats == (frozenset() if is_allowed else {"main"})
        assert accounts.get_availabilities(NOW_S) == {"main": Availability.READY}
    assert len(changes) == 3
    accounts.apply_record(b"main", record(new_chats_allowed=False))
    accounts.apply_record(b"main", None)
    assert accounts.without_new_chats == frozenset()


def test_what_probes_show_of_an_account() -> None:
    """Its state, and what explains it; an account that was removed is shown no more."""
    accounts = Accounts(lambda: None)
    accounts.apply_record(b"main", record("syncing"))
    assert accounts.summaries["main"]["state"] == "syncing"
    accounts.apply_record(b"main", None)
    assert accounts.summaries == {}


def test_an_account_whose_record_cannot_be_read_is_not_ready() -> None:
    """A topic that others can write to must not stop a dispatcher."""
    accounts = Accounts(lambda: None)
    accounts.apply_record(b"main", b"rubbish")
    accounts.apply_record(None, record())
    assert accounts.get_availabilities(NOW_S)["main"] is Availability.DOWN


class Time:
    """The broker's clock and the monotonic one, as a test sets them."""

    def __init__(self) -> None:
        self.broker_s = NOW_S
        self.mono_s = 1000.0

    def pass_s(self, seconds: float) -> None:
        self.broker_s += seconds
        self.mono_s += seconds

    def create_accounts(self, changes: list[int]) -> Accounts:
        return Accounts(
            lambda: changes.append(1), now_s=lambda: self.broker_s, monotonic_s=lambda: self.mono_s
        )


def test_a_silent_account_is_down(caplog: pytest.LogCaptureFixture) -> None:
    """Three heartbeats without a record; it is reported once, and with the next record the account is used again."""
    caplog.set_level("INFO")
    time, changes = Time(), list[int]()
    accounts = time.create_accounts(changes)
    accounts.apply_record(b"main", record(), time.broker_s)
    for seconds, availability in (
        (30, Availability.READY),
        (1, Availability.DOWN),
        (9, Availability.DOWN),
    ):
        time.pass_s(seconds)
        accounts.check_heartbeats()
        assert accounts.get_availabilities(time.broker_s) == {"main": availability}
    accounts.apply_record(b"main", record(), time.broker_s)
    assert accounts.get_availabilities(time.broker_s) == {"main": Availability.READY}
    assert len(changes) == 3
    messages = [entry.getMessage() for entry in caplog.records]
    assert messages == [
        "account main is ready",
        "account main is down: no heartbeat for 30 s",
        "account main is ready",
    ]


def test_an_old_record_is_the_record_of_a_silent_account() -> None:
    """What is read at the start may be hours old: its append time counts, not the time of reading."""
    time = Time()
    accounts = time.create_accounts([])
    accounts.apply_record(b"old", record(), time.broker_s - 3600)
    accounts.apply_record(b"new", record(), time.broker_s - 20)
    expected = {"old": Availability.DOWN, "new": Availability.READY}
    assert accounts.get_availabilities(time.broker_s) == expected
    time.pass_s(10.1)
    accounts.check_heartbeats()
    assert set(accounts.get_availabilities(time.broker_s).values()) == {Availability.DOWN}


def test_a_step_of_the_brokers_clock_silences_nobody() -> None:
    """The age of a record that was read grows with the monotonic clock alone."""
    time = Time()
    accounts = time.create_accounts([])
    accounts.apply_record(b"main", record(), time.broker_s)
    for step_s in (86_400, -90_000):
        time.broker_s += step_s
        accounts.check_heartbeats()
        assert accounts.get_availabilities(time.broker_s) == {"main": Availability.READY}
    accounts.apply_record(b"main", record(), time.broker_s + 5)  # before the step is noticed
    time.pass_s(31)
    accounts.check_heartbeats()
    assert accounts.get_availabilities(time.broker_s) == {"main": Availability.DOWN}


def test_an_account_without_a_record_is_not_lost() -> None:
    """It is configured, and its sender may not have started yet."""
    accounts = Accounts(lambda: None, ["main"])
    accounts.check_heartbeats()
    assert accounts.lost_for_s("main") == 0.0
    assert accounts.lost_for_s("unheard-of") == 0.0


def test_an_account_that_a_person_holds_takes_nothing_over() -> None:
    """Its sender says `ready` until it has read the request."""
    accounts = Accounts(lambda: None)
    accounts.apply_record(b"main", record())
    assert accounts.can_others_send("other")
    assert not accounts.can_others_send("main")
    paused = AccountRequest(account="main", requested="paused", by="me", at_s=5.0)
    accounts.apply_request(b"main", encode(paused), 0.0)
    assert not accounts.can_others_send("other")
