"""A loss that is known: nothing more is dispatched to the account, and what it has comes back for another one."""

from typing import Any, get_args

import pytest

from streams.contract.account import AccountState
from streams.dispatch.accounts import Accounts
from streams.domain.accounts.routing import Availability, Capacity, choose_account
from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch
from streams.domain.phone.events import Deferred
from streams.sender.browser_session import RECONNECT_TIMEOUT_S
from streams.testing.fixed_capacities import FixedCapacities
from streams.testing.phone_world import PhoneWorld
from streams.whatsapp.driver import Phase
from tests.dispatch.test_accounts import NOW_S, record
from tests.sender.fast import FastSender, make_command, until

LOST = [state for state in get_args(AccountState) if state != "ready"]


@pytest.mark.parametrize("state", LOST)
def test_the_dispatcher_moves_on_at_once(state: Any) -> None:
    """The record says so: neither a heartbeat nor a deadline is waited for."""
    changes: list[int] = []
    accounts = Accounts(lambda: changes.append(1))
    accounts.apply_record(b"main", record())
    accounts.apply_record(b"main", record(state))
    assert accounts.get_availabilities(NOW_S) == {"main": Availability.DOWN}
    assert len(changes) == 2
    capacities = FixedCapacities({"main": Capacity(False, 0), "sales": Capacity(True, 1)})
    assert choose_account(None, "main", capacities, phone="p").account == "sales"


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        (Phase.LOGGED_OUT, "device_removed"),
        (Phase.LINKING, None),
        (Phase.RESTRICTED, "tos_block"),
        (Phase.RECONNECTING, "page_lost"),
        (Phase.STOPPED, "the browser has died"),
    ],
)
async def test_a_dispatch_comes_back_within_five_seconds(phase: Phase, reason: str | None) -> None:
    """Never submitted and not in doubt, so another account takes it exactly once."""
    sender = FastSender()
    await sender.open()
    sender.driver.set_phase(phase, reason=reason)
    await until(lambda: sender.session.state.phase is not Phase.READY)
    assert RECONNECT_TIMEOUT_S <= 5.0
    sender.advance(RECONNECT_TIMEOUT_S)
    result = await sender.send(make_command("a"))
    assert isinstance(result, Deferred)
    assert not result.in_doubt
    assert sender.driver.submissions == []
    await sender.close()
    world = PhoneWorld(accounts={"main": Capacity(True, 8)})
    world.submit("a")
    world.accounts = {"main": Capacity(False, 0), "sales": Capacity(True, 8)}
    world.conclude(Deferred(error=Error(result.error.code)))
    assert world.row is not None
    assert world.row.timer_at_s - world.now_s <= 5.0
    assert [e.account for e in world.effects if isinstance(e, Dispatch)] == ["main"]
