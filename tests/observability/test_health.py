"""`/health/whatsapp`: healthy only while an account can send, and no past state is shown as the current one."""

from typing import Any

import pytest

from streams.contract.account import AccountRecord
from streams.observability import health
from streams.observability.account_status import AccountStatus

READY = AccountStatus("main", AccountRecord(account="main", state="ready", since=""), age_s=29.0)


def make_document(*accounts: AccountStatus, is_ready: bool = True) -> dict[str, Any]:
    """The document of `/health/whatsapp` of a process that knows these accounts."""
    return health.health_document(
        is_ready=is_ready,
        queue_length=3,
        cache_size=2,
        conversation_states=1,
        rate_limit_tracking=4,
        accounts=accounts,
    )


def make_status(state: Any, age_s: float = 0.0, reason: str | None = None) -> AccountStatus:
    """An account whose last heartbeat is this old."""
    return AccountStatus(
        "other", AccountRecord(account="other", state=state, since="", reason=reason), age_s
    )


@pytest.mark.parametrize(
    ("accounts", "is_healthy"),
    [
        ([READY], True),
        ([make_status("logged_out"), READY], True),
        ([make_status("logged_out")], False),
        ([make_status("restricted")], False),
        ([make_status("ready", age_s=30.1)], False),
        ([AccountStatus("new")], False),
        ([], False),
    ],
    ids=["ready", "one of two", "logged out", "restricted", "silent", "never ran", "none"],
)
def test_it_is_healthy_while_an_account_can_send(
    accounts: list[AccountStatus], is_healthy: bool
) -> None:
    """Whichever process is asked; and only while that process does its work."""
    assert make_document(*accounts)["healthy"] is is_healthy
    assert make_document(*accounts, is_ready=False)["healthy"] is False


def test_the_health_document_shows_no_past_state() -> None:
    """A silent account is down, whatever it said last."""
    document = make_document(READY, make_status("ready", age_s=300.0))
    assert document["accounts"]["main"]["state"] == "ready"
    silent = document["accounts"]["other"]
    assert (silent["state"], silent["reason"], silent["stale"]) == (
        "down",
        "silent for 5 min",
        True,
    )
    assert (
        make_document(make_status("stopped", age_s=300.0))["accounts"]["other"]["state"]
        == "stopped"
    )
