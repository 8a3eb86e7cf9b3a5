"""A recipient is forgotten: what is left of it, what is reported, and who else is told."""

from typing import Any

from streams.domain.errors import Error
from streams.domain.forgetting import ForgetReport
from streams.domain.phone.effects import (
    Effect,
    ForwardEvent,
    InstructForget,
    PublishConsent,
    PublishForgetReport,
)
from streams.domain.phone.events import (
    ConsentRequested,
    Deferred,
    ForgetContinued,
    ForgetRequested,
    Moved,
    RetentionElapsed,
    Sent,
    SourceRecord,
)
from streams.domain.phone.values.forgetting import GRACE_S
from streams.testing.phone_world import PHONE, PhoneWorld

OTHER = "+60111111111"
IN_DOUBT = Deferred(error=Error("attempt_in_doubt"), in_doubt=True)


def forget(world: PhoneWorld, request_id: str = "f", **fields: Any) -> None:
    """Request it, and carry on as long as that changes anything."""
    record = SourceRecord(topic="wa.outbound", partition=0, offset=world.offset)
    event = ForgetRequested(phone=PHONE, request_id=request_id, source_record=record, **fields)
    effects = world.apply(event)
    while continues(effects):
        effects = world.apply(ForgetContinued(phone=PHONE))


def continues(effects: list[Effect]) -> bool:
    """Whether the next part is in the log."""
    forwarded = [effect.event for effect in effects if isinstance(effect, ForwardEvent)]
    return any(isinstance(event, ForgetContinued) for event in forwarded)


def last_report(world: PhoneWorld, request_id: str = "f") -> ForgetReport | None:
    """What was reported last."""
    reports = [e for e in world.effects if isinstance(e, PublishForgetReport)]
    return [e.report for e in reports if e.request_id == request_id][-1]


def opt_out(world: PhoneWorld) -> None:
    """An operator decides."""
    record = SourceRecord(topic="wa.outbound", partition=1, offset=world.offset)
    world.apply(
        ConsentRequested(phone=PHONE, consent="opted_out", request_id="c", source_record=record)
    )


def test_everything_goes() -> None:
    """The row has no chat, account and conversation, and no message has a row under its id."""
    world = PhoneWorld()
    world.submit("sent")
    world.conclude(Sent(at_s=world.now_s), chat_id="6012@lid")
    world.submit("later", send_at_s=world.now_s + 100)
    place = world.offset + 1
    forget(world)
    row = world.row
    assert row is not None
    assert (row.chat, row.account, row.conversation, row.scheduled_count) == (None, None, None, 0)
    assert not {"sent", "later"} & set(world.messages)
    assert world.statuses("later")[-1] == "cancelled"
    assert last_report(world) == ForgetReport(
        request_id="f", state="done", messages=2, cancelled=1, accounts=("main",)
    )
    instructions = [effect for effect in world.effects if isinstance(effect, InstructForget)]
    expected = InstructForget(
        request_id="f", account="main", chat_id="6012@lid", before_offset=place
    )
    assert instructions == [expected]


def test_a_repeat_gets_the_last_status() -> None:
    """Nothing is sent; after the grace nothing is left, and the id is free."""
    world = PhoneWorld()
    world.submit("a")
    world.conclude(Sent(at_s=world.now_s))
    forget(world)
    (status,) = world.submit("a")
    assert status in world.effects[:-1], "the same fact"
    world.now_s += GRACE_S
    world.apply(RetentionElapsed(phone=PHONE, ids=tuple(world.messages)))
    assert world.messages == {}
    assert last_report(world) is None
    world.submit("a")
    assert world.dispatched_ids() == ["a", "a"]


def test_what_may_have_been_sent_ends_first() -> None:
    """In doubt, it is reconciled; then it goes."""
    world = PhoneWorld()
    world.submit("a")
    world.conclude(IN_DOUBT)
    forget(world)
    report = last_report(world)
    assert report is not None
    assert (report.state, report.unfinished) == ("in_progress", 1)
    world.now_s += 60
    world.fire_timer()
    assert continues(world.conclude(Sent(at_s=world.now_s)))
    world.apply(ForgetContinued(phone=PHONE))
    assert "a" not in world.messages
    assert world.statuses("a")[-1] == "sent"


def test_more_than_one_event_can_do() -> None:
    """None of the messages that wait is dispatched, and all are removed."""
    world = PhoneWorld(accounts={})
    for index in range(130):
        world.submit(f"m{index}")
    forget(world)
    assert world.dispatched_ids() == []
    report = last_report(world)
    assert report is not None
    assert (report.state, report.messages, report.cancelled) == ("done", 130, 130)
    assert world.slots == {}


def test_an_opt_out_is_kept_only_if_asked_to() -> None:
    """As a hash, from which it comes back; without that, the recipient is asked no more."""
    world = PhoneWorld()
    opt_out(world)
    forget(world, keep_opt_out=True)
    assert world.consent is None
    assert PublishConsent(consent=None) in world.effects
    assert all(PHONE not in key for key in world.kept_opt_outs)
    world.submit("offer", category="marketing")
    assert world.statuses("offer") == ["rejected"]
    forget(world, "again")
    assert world.kept_opt_outs == {}
    world.submit("second", category="marketing")
    assert "accepted" in world.statuses("second")


def test_the_other_number_of_the_chat_is_forgotten_too() -> None:
    """The request goes on to it once, and does not come back."""
    world = PhoneWorld()
    world.submit("a")
    world.conclude(Moved(phone=OTHER))
    forget(world)
    forwarded = [e.event for e in world.effects if isinstance(e, ForwardEvent)]
    others = {e for e in forwarded if isinstance(e, ForgetRequested)}
    assert {(e.phone, e.path) for e in others} == {(OTHER, (PHONE,))}
    assert world.row is not None
    assert world.row.alias is None


def test_a_later_request_takes_over() -> None:
    """The first one says so."""
    world = PhoneWorld()
    world.submit("a")
    forget(world, "first")
    forget(world, "second")
    first = last_report(world, "first")
    assert first is not None
    assert (first.state, first.replaced_by) == ("replaced", "second")
