"""No marketing message is dispatched after the opt-out event in the log: any sequence of events, and a naive model."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch, Effect, ForwardEvent
from streams.domain.phone.events import (
    CancelRequested,
    ConsentRequested,
    Deferred,
    Failed,
    InboundSeen,
    RetentionElapsed,
    ScheduleDue,
    Sent,
    SourceRecord,
)
from streams.domain.phone.state import State
from streams.domain.policy import Policy
from streams.testing.phone_world import PHONE, PhoneWorld

POLICY = Policy(
    max_retries=1, idempotency_window_s=300.0, conversation_expiry_s=100.0, unknown_after_s=200.0
)
RESULTS = {
    "sent": Sent(at_s=0.0),
    "failed": Failed(error=Error("media_rejected")),
    "retry": Failed(error=Error("page_crashed")),
    "deferred": Deferred(error=Error("disconnected")),
    "in doubt": Deferred(error=Error("attempt_in_doubt"), in_doubt=True),
}


@dataclass
class Model:
    """What a person would say of the log: who opted out last, and which events repeat an earlier one."""

    is_opted_out: bool = False
    is_decided: bool = False
    seen: set[str] = field(default_factory=set)

    def hear(self, name: str, wants_out: bool) -> None:
        if name in self.seen:
            return
        if not self.is_decided and not wants_out:
            return  # an opt-in word ends an opt-out; without one, it says nothing
        self.seen.add(name)
        self.is_opted_out, self.is_decided = wants_out, True

    def set(self, name: str, wants_out: bool) -> None:
        if name not in self.seen:
            self.seen.add(name)
            self.is_opted_out, self.is_decided = wants_out, True


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["submit"] * 4
            + ["conclude"] * 4
            + ["word"] * 2
            + ["operator", "cancel", "time", "forget"]
        ),
        st.integers(0, 9),
        st.sampled_from([0.0, 1.0, 30.0, 400.0]),
        st.booleans(),
        st.sampled_from(sorted(RESULTS)),
    ),
    min_size=10,
    max_size=40,
)


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_no_marketing_message_is_dispatched_after_the_opt_out(
    steps: list[tuple[str, int, float, bool, str]],
) -> None:
    """Except to find out what became of one in doubt, which may not be submitted again."""
    world, model = PhoneWorld(policy=POLICY), Model()
    for kind, number, pause_s, flag, result in steps:
        world.now_s += pause_s
        effects = _apply(world, model, kind, number, flag, result)
        for event in [effect.event for effect in effects if isinstance(effect, ForwardEvent)]:
            effects += world.apply(event)
        consent = world.consent
        assert (consent is not None and consent.status == "opted_out") == model.is_opted_out
        if model.is_opted_out:
            _check(world, effects)


def _apply(
    world: PhoneWorld, model: Model, kind: str, number: int, flag: bool, result: str
) -> list[Effect]:
    record = SourceRecord(topic="wa.outbound", partition=1, offset=number)
    match kind:
        case "submit":
            category = "marketing" if number % 2 else "transactional"
            send_at_s = world.now_s + 20 if flag else 0.0
            existing = world.messages.get(f"m{number}")
            replay_of = existing.dead_letter_id or None if existing else None
            return world.submit(
                f"m{number}", category=category, send_at_s=send_at_s, replay_of=replay_of
            )
        case "conclude" if world.row is not None and world.row.in_flight is not None:
            return world.conclude(RESULTS[result])
        case "word":
            model.hear(f"in{number}", flag)
            text = "Stop!" if flag else "start"
            return world.apply(
                InboundSeen(phone=PHONE, account="main", whatsapp_id=f"in{number}", text=text)
            )
        case "operator":
            model.set(f"r{number}", flag)
            consent = "opted_out" if flag else "opted_in"
            return world.apply(
                ConsentRequested(phone=PHONE, consent=consent, request_id="r", source_record=record)
            )
        case "cancel":
            return world.apply(CancelRequested(phone=PHONE, id=f"m{number}"))
        case "forget":
            return world.apply(RetentionElapsed(phone=PHONE, ids=tuple(world.messages)))
        case _:
            return _wake(world)


def _wake(world: PhoneWorld) -> list[Effect]:
    effects: list[Effect] = []
    for message in list(world.messages.values()):
        if message.wake_at_s and message.wake_at_s <= world.now_s:
            effects += world.apply(ScheduleDue(phone=PHONE, id=message.id))
    if world.row is not None and world.row.timer_at_s:
        effects += world.wait_for_timer()
    return effects


def _check(world: PhoneWorld, effects: list[Effect]) -> None:
    """After an event that leaves the recipient opted out."""
    for effect in effects:
        if isinstance(effect, Dispatch) and world.messages[effect.id].is_marketing:
            assert world.messages[effect.id].pinned_to is not None, "it was never submitted"
            assert 0 < effect.submit_before_s <= world.now_s, "it might be submitted again"
    open_states = {State.WAITING, State.SCHEDULED}
    waiting = [m for m in world.messages.values() if m.is_marketing and m.state in open_states]
    assert all(message.pinned_to is not None for message in waiting), "it still waits"
