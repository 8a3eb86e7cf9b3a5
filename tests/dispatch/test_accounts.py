"""How the dispatcher reads the records of accounts."""

from typing import Any

from streams.contract import account
from streams.contract.account import AccountRecord
from streams.contract.timestamps import format_rfc3339
from streams.dispatch.accounts import Accounts
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
    assert accounts.get_availability(NOW_S) == {}
    accounts.apply_record(b"main", record("linking"))
    assert accounts.get_availability(NOW_S) == {"main": Availability.DOWN}
    accounts.apply_record(b"main", record())
    assert accounts.get_availability(NOW_S) == {"main": Availability.READY}
    accounts.apply_record(b"main", None)
    assert accounts.get_availability(NOW_S) == {}
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
    assert accounts.get_availability(NOW_S) == {"main": Availability.BUSY}
    assert accounts.next_free_s(NOW_S) == NOW_S + 30
    assert accounts.get_availability(NOW_S + 30) == {"main": Availability.READY}
    assert accounts.next_free_s(NOW_S + 30) == float("inf")


def test_which_accounts_may_open_no_new_chats() -> None:
    """Such an account is ready; the phone stage gives it to a phone only as its last choice."""
    changes: list[int] = []
    accounts = Accounts(lambda: changes.append(1))
    accounts.apply_record(b"main", record())
    for is_allowed in (False, False, True):
        accounts.apply_record(b"main", record(new_chats_allowed=is_allowed))
        assert accounts.without_new_chats == (frozenset() if is_allowed else {"main"})
        assert accounts.get_availability(NOW_S) == {"main": Availability.READY}
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
    assert accounts.get_availability(NOW_S)["main"] is Availability.DOWN
