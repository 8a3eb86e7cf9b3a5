"""Messages to a group: an account that cannot write there hands over, and only when none is left the message fails."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch, PublishStatus
from streams.domain.phone.events import Failed, Sent
from streams.domain.policy import Policy
from streams.domain.quiet_hours import QuietHours
from streams.testing.phone_world import PhoneWorld

GROUP = "120363041234567890@g.us"
NOT_IN_GROUP, ADMINS_ONLY = Error("not_in_group"), Error("group_admins_only")
READY, DOWN = Capacity(True, 8), Capacity(False, 0)


def make_world(accounts: Mapping[str, Capacity], **policy: float) -> PhoneWorld:
    """The row of a group."""
    return PhoneWorld(phone=GROUP, accounts=accounts, policy=Policy(**policy))  # pyright: ignore[reportArgumentType]


def list_dispatches(world: PhoneWorld) -> list[tuple[str, str]]:
    """What was dispatched so far, and to which account."""
    return [(e.id, e.account) for e in world.effects if isinstance(e, Dispatch)]


def test_a_group_is_its_own_chat() -> None:
    """There is no number to look up, and no answer about one is remembered."""
    world = make_world({"main": READY})
    world.submit("a")
    (dispatch,) = [e for e in world.effects if isinstance(e, Dispatch)]
    assert dispatch.chat_id == GROUP
    world.conclude(Sent(at_s=world.now_s))
    assert world.statuses("a") == ["accepted", "sent"]
    assert world.row is not None
    assert world.row.chat is None


def test_another_account_gets_the_message() -> None:
    """The message is not lost because its first account has left the group; the next one goes to the member."""
    world = make_world({"main": READY, "other": READY})
    world.submit("a")
    world.conclude(Failed(error=NOT_IN_GROUP))
    world.conclude(Sent(at_s=world.now_s))
    world.submit("b")
    (_, first), (_, member), (_, next_account) = list_dispatches(world)
    assert {first, member} == {"main", "other"}
    assert next_account == member
    assert world.statuses("a") == ["accepted", "sent"]


def test_without_another_account_it_fails_for_good() -> None:
    """With the last refusal; the next message asks again, because somebody may have added the account."""
    world = make_world({"main": READY, "gone": Capacity(False, 0, is_removed=True)})
    world.submit("a")
    world.conclude(Failed(error=ADMINS_ONLY))
    assert world.statuses("a") == ["accepted", "failed"]
    assert [letter.error.code for letter in world.dead_letters()] == ["group_admins_only"]
    world.submit("b")
    assert list_dispatches(world) == [("a", "main"), ("b", "main")]


def test_a_pinned_account_hands_over_to_nobody() -> None:
    """The caller allows no other account."""
    world = make_world({"main": READY, "other": READY})
    world.submit("a", account="main")
    world.conclude(Failed(error=NOT_IN_GROUP))
    assert world.statuses("a") == ["accepted", "failed"]
    assert list_dispatches(world) == [("a", "main")]


def test_it_waits_for_an_account_that_is_down() -> None:
    """That one may be the member: a restart of it must not fail the messages of its groups."""
    world = make_world({"main": READY, "other": DOWN})
    world.submit("a")
    world.conclude(Failed(error=NOT_IN_GROUP))
    (queued,) = [e for e in world.effects if isinstance(e, PublishStatus) and e.status == "queued"]
    assert queued.reason == "no_account"
    world.accounts = {"main": READY, "other": READY}
    world.fire_timer()
    assert list_dispatches(world) == [("a", "main"), ("a", "other")]


def test_quiet_hours_do_not_hold_back_a_group() -> None:
    """Its members may be anywhere, and nothing tells where."""
    world = make_world({"main": READY}, quiet_hours=QuietHours(0, 1439))
    world.submit("a", category="marketing")
    assert list_dispatches(world) == [("a", "main")]


@given(
    members=st.sets(st.sampled_from("abcd")),
    ready=st.sets(st.sampled_from("abcd"), min_size=1),
    cache_s=st.sampled_from([0.0, 600.0]),
)
def test_each_account_is_asked_once_and_a_member_sends(
    members: set[str], ready: set[str], cache_s: float
) -> None:
    """As a naive search does: any ready member sends it; without one it waits for those that are down, or fails."""
    accounts = {name: READY if name in ready else DOWN for name in "abcd"}
    world = make_world(accounts, lookup_cache_s=cache_s)
    world.submit("m")
    while world.row is not None and world.row.in_flight is not None:
        account = world.row.in_flight.account
        is_member = account in members
        world.conclude(Sent(at_s=world.now_s) if is_member else Failed(error=NOT_IN_GROUP))
    dispatched = [account for _, account in list_dispatches(world)]
    assert len(dispatched) == len(set(dispatched))
    last_status = world.statuses("m")[-1]
    if members & ready:
        assert last_status == "sent"
    else:
        assert set(dispatched) == ready
        assert last_status == ("failed" if len(ready) == len(accounts) else "queued")


def test_a_refusal_by_a_group_is_not_forgotten_by_the_next_event() -> None:
    """A row is corrected for steps of the broker's clock at each event, and keeps what it knows."""
    world = make_world({"main": READY, "other": DOWN})
    world.submit("a")
    world.conclude(Failed(error=NOT_IN_GROUP))
    world.submit("b")
    assert world.row is not None
    assert world.row.closures["main"].is_by_group
    assert list_dispatches(world) == [("a", "main")]
