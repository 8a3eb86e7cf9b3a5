"""Edits and revokes of earlier messages: which are accepted, which account makes them, and until when."""

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch, PublishStatus
from streams.domain.phone.events import Deferred, Failed, MessageChange, Sent, TimerFired
from streams.domain.phone.handlers.changes import EDIT_WINDOW_S, REVOKE_WINDOW_S
from streams.testing.phone_world import PHONE, PhoneWorld

READY = Capacity(True, 8)


def change(world: PhoneWorld, change_id: str, kind: str, changed_id: str = "a") -> None:
    """A request to edit or to revoke a message."""
    message_change = MessageChange(kind=kind, changed_id=changed_id)  # pyright: ignore[reportArgumentType]
    world.submit(change_id, "urgent", change=message_change)


def get_error(world: PhoneWorld, request_id: str) -> str | None:
    """The code with which this request was rejected."""
    errors = [
        e.error.code
        for e in world.effects
        if isinstance(e, PublishStatus) and e.id == request_id and e.error is not None
    ]
    return errors[-1] if errors else None


def make_sent_world() -> PhoneWorld:
    """Message `a` was sent by the account `main`; another account is free as well."""
    world = PhoneWorld(accounts={"main": READY})
    world.submit("a")
    world.conclude(Sent(at_s=world.now_s))
    world.accounts = {"main": READY, "other": READY}
    return world


def test_a_change_is_a_message_of_the_account_that_has_sent() -> None:
    """It names the id at WhatsApp, has statuses of its own, and the message keeps those that it has."""
    world = make_sent_world()
    assert world.row is not None
    for kind in ("edit", "revoke"):
        change(world, kind, kind)
        dispatch = [e for e in world.effects if isinstance(e, Dispatch)][-1]
        assert (dispatch.id, dispatch.account) == (kind, "main")
        assert dispatch.changed_whatsapp_id == "3EB0a"
        world.conclude(Sent(at_s=world.now_s))
        assert world.statuses(kind) == ["accepted", "sent"]
    assert world.statuses("a") == ["accepted", "sent"]


def test_it_waits_for_its_account_and_no_other_gets_it() -> None:
    """Only the account that has sent a message can change it; too late it expires."""
    world = make_sent_world()
    world.accounts = {"main": Capacity(False, 0), "other": READY}
    change(world, "e", "edit")
    assert world.statuses("e") == ["accepted", "queued"]
    assert world.row is not None
    world.now_s += EDIT_WINDOW_S
    world.apply(TimerFired(phone=PHONE, timer_version=world.row.timer_version))
    assert world.statuses("e") == ["accepted", "queued", "expired"]


def test_a_revoke_of_a_waiting_message_cancels_it() -> None:
    """Nothing is sent for either, and a repeat gets the same answer."""
    world = PhoneWorld(accounts={})
    world.submit("a")
    change(world, "r", "revoke")
    change(world, "r", "revoke")
    assert world.statuses("a")[-1] == "cancelled"
    assert world.statuses("r") == ["accepted", "cancelled", "cancelled"]
    assert world.dispatched_ids() == []
    assert world.payloads == set()


def test_a_scheduled_message_is_revoked_as_well() -> None:
    """It has not begun to wait yet."""
    world = PhoneWorld()
    world.submit("a", send_at_s=world.now_s + 600)
    change(world, "r", "revoke")
    assert world.statuses("a") == ["accepted", "queued", "cancelled"]


def test_what_is_being_sent_or_in_doubt_is_not_changed() -> None:
    """Its WhatsApp id may not exist yet; the caller may ask again when it is sent."""
    world = PhoneWorld()
    world.submit("a")
    for kind in ("edit", "revoke"):
        change(world, f"{kind} 1", kind)
        assert get_error(world, f"{kind} 1") == "not_sent_yet"
    world.conclude(Deferred(error=Error("attempt_in_doubt"), in_doubt=True))
    for kind in ("edit", "revoke"):
        change(world, f"{kind} 2", kind)
        assert get_error(world, f"{kind} 2") == "not_sent_yet"


def test_what_was_never_sent_or_is_a_change_itself_is_unknown() -> None:
    """There is nothing at WhatsApp that could be changed."""
    world = make_sent_world()
    change(world, "e", "edit")
    world.conclude(Sent(at_s=world.now_s))
    world.submit("b")
    world.conclude(Failed(error=Error("recipient_not_on_whatsapp")))
    for number, changed_id in enumerate(("e", "b", "nothing")):
        change(world, f"r{number}", "revoke", changed_id)
        assert get_error(world, f"r{number}") == "unknown_request"


@given(
    kind=st.sampled_from(["edit", "revoke"]),
    age_s=st.floats(0, 3 * 86_400) | st.sampled_from([EDIT_WINDOW_S, REVOKE_WINDOW_S]),
    state=st.sampled_from(["none", "waiting", "in_flight", "sent", "failed"]),
)
def test_by_the_naive_table(kind: str, age_s: float, state: str) -> None:
    """The answer depends on the state of the message and on its age alone."""
    world = PhoneWorld(accounts={} if state == "waiting" else {"main": READY})
    if state != "none":
        world.submit("a")
    if state == "sent":
        world.conclude(Sent(at_s=world.now_s))
    elif state == "failed":
        world.conclude(Failed(error=Error("content_refused")))
    world.now_s += age_s if state in ("sent", "failed") else 0
    change(world, "c", kind)
    window_s = 900 if kind == "edit" else 216_000
    expected = {
        "none": "unknown_request",
        "failed": "unknown_request",
        "in_flight": "not_sent_yet",
        "waiting": "not_sent_yet" if kind == "edit" else None,
        "sent": None if age_s < window_s else f"too_late_to_{kind}",
    }
    assert get_error(world, "c") == expected[state]
    assert (world.statuses("c")[0] == "rejected") == (expected[state] is not None)
