"""Consent: what waits ends when the recipient opts out, what arrives is rejected, and nothing else ends an opt-out."""

from typing import Any

import pytest

from streams.domain.errors import Error
from streams.domain.phone.effects import (
    Dispatch,
    Effect,
    ForwardEvent,
    PublishConsent,
    PublishStatus,
    RequestReply,
)
from streams.domain.phone.events import (
    ConsentRequested,
    Deferred,
    Event,
    InboundSeen,
    RetentionElapsed,
    Sent,
    SourceRecord,
)
from streams.domain.phone.handlers.consent import MAX_REJECTED_PER_EVENT
from streams.domain.phone.state import State
from streams.domain.policy import Policy
from streams.testing.phone_world import PHONE, READY, PhoneWorld
from tests.domain.phone.recipients import Recipients

OTHER = "+60111111111"
POLICY = Policy(opt_out_reply="No more offers.", opt_in_reply="Welcome back.")


@pytest.fixture
def world() -> PhoneWorld:
    """A recipient to whom nothing can be sent for now."""
    return PhoneWorld(policy=POLICY, accounts={})


def word(text: str, whatsapp_id: str = "in", **fields: Any) -> InboundSeen:
    return InboundSeen(
        **{"phone": PHONE, "account": "main", "whatsapp_id": whatsapp_id, "text": text, **fields}
    )


def request(consent: Any, offset: int = 0, phone: str = PHONE) -> ConsentRequested:
    record = SourceRecord(topic="wa.outbound", partition=0, offset=offset)
    return ConsentRequested(
        phone=phone, consent=consent, request_id=f"r{offset}", source_record=record
    )


def replies(effects: list[Effect]) -> list[RequestReply]:
    return [effect for effect in effects if isinstance(effect, RequestReply)]


def changes(effects: list[Effect]) -> list[bool]:
    return [effect.is_change for effect in effects if isinstance(effect, PublishConsent)]


def test_what_waits_and_is_scheduled_is_rejected_at_once(world: PhoneWorld) -> None:
    """Each has its status and its dead letter; what is not marketing goes on."""
    world.submit("offer", category="marketing")
    world.submit("later", category="marketing", send_at_s=world.now_s + 500)
    world.submit("parcel")
    world.apply(word("Stop."))
    for request_id in ("offer", "later"):
        assert world.statuses(request_id)[-1] == "rejected"
        assert world.messages[request_id].state is State.REJECTED
    assert {letter.error.code for letter in world.dead_letters()} == {"recipient_opted_out"}
    assert {letter.outcome for letter in world.dead_letters()} == {"not_sent"}
    assert world.messages["parcel"].state is State.WAITING
    assert world.row is not None
    assert world.row.waiting_count == 1
    assert world.payloads == {"parcel"}


def test_what_arrives_later_is_rejected_and_has_no_row(world: PhoneWorld) -> None:
    """So is a replay of its dead letter; the opt-in ends that."""
    world.apply(word("STOP"))
    world.submit("offer", category="marketing")
    world.submit("offer", category="marketing", replay_of="wa.outbound:0:1")
    assert world.statuses("offer") == ["rejected", "rejected"]
    assert "offer" not in world.messages
    world.apply(word("start", "in2"))
    world.submit("offer", category="marketing", replay_of="wa.outbound:0:1")
    assert world.statuses("offer")[-2:] == ["accepted", "queued"]


def test_a_replay_of_a_message_that_waited_is_sent_after_the_opt_in(world: PhoneWorld) -> None:
    """Its dead letter brings it back, once."""
    world.submit("offer", category="marketing")
    world.apply(word("STOP"))
    letter = world.messages["offer"].dead_letter_id
    world.submit("offer", category="marketing", replay_of=letter)
    assert world.messages["offer"].state is State.REJECTED
    world.apply(word("START", "in2"))
    world.accounts = READY
    newest = world.messages["offer"].dead_letter_id
    world.submit("offer", category="marketing", replay_of=newest)
    assert world.dispatched_ids() == ["offer"]


def test_a_message_in_flight_goes_its_way(world: PhoneWorld) -> None:
    """It is sent, if its sender sends it; if it comes back unsent, it is rejected."""
    world.accounts = READY
    world.submit("a", category="marketing")
    world.submit("b", category="marketing")
    world.apply(word("STOP"))
    assert world.messages["a"].state is State.DISPATCHED
    assert world.statuses("b")[-1] == "rejected"
    world.conclude(Deferred(error=Error("disconnected")))
    assert world.statuses("a")[-1] == "rejected"
    assert world.dispatched_ids() == ["a"]


def test_an_attempt_in_doubt_is_reconciled_and_not_submitted_again(world: PhoneWorld) -> None:
    """Its dispatch allows no submit; that it was sent may still turn out."""
    world.accounts = READY
    world.submit("a", category="marketing")
    world.apply(word("STOP"))
    world.conclude(Deferred(error=Error("attempt_in_doubt"), in_doubt=True))
    world.now_s += 60
    effects = world.fire_timer()
    (dispatch,) = [effect for effect in effects if isinstance(effect, Dispatch)]
    assert 0 < dispatch.submit_before_s <= world.now_s
    world.conclude(Sent(at_s=world.now_s))
    assert world.statuses("a")[-1] == "sent"


def test_a_confirmation_is_requested_once_per_change(world: PhoneWorld) -> None:
    """A repeat of the message, and a second opt-out, change nothing."""
    first = replies(world.apply(word("STOP")))
    assert [reply.text for reply in first] == ["No more offers."]
    assert not replies(world.apply(word("STOP")))
    assert not replies(world.apply(word("stop", "in2")))
    assert [reply.text for reply in replies(world.apply(word("START", "in3")))] == ["Welcome back."]
    assert not replies(world.apply(word("start", "in4")))
    assert [reply.text for reply in replies(world.apply(word("STOP", "in5")))] == [
        "No more offers."
    ]
    ids = {reply.id for reply in replies(world.effects)}
    assert len(ids) == 3


def test_an_opt_in_word_without_an_opt_out_decides_nothing(world: PhoneWorld) -> None:
    """It is an ordinary word then."""
    assert not changes(world.apply(word("START")))
    assert world.consent is None


def test_an_operator_is_answered_each_time(world: PhoneWorld) -> None:
    """Also if nothing changes; but a record that is read twice is one request, and no reply is sent."""
    assert changes(world.apply(request("opted_out", 1))) == [True]
    assert changes(world.apply(request("opted_out", 2))) == [False]
    assert world.consent is not None
    assert world.consent.request_id == "r2"
    world.apply(word("START"))
    assert not changes(world.apply(request("opted_out", 2)))
    assert world.consent.status == "opted_in"
    assert not replies(world.apply(request("opted_out", 3)))


def test_what_was_written_before_a_decision_and_comes_late_ends_no_opt_out(
    world: PhoneWorld,
) -> None:
    """An account was away. A late opt-out counts, unless the person has opted in later."""
    world.apply(request("opted_out", 1))
    world.apply(word("START", "a", at_s=world.now_s - 100))
    assert world.consent is not None
    assert world.consent.status == "opted_out"
    world.apply(word("START", "b", at_s=world.now_s))
    assert world.consent.status == "opted_in"
    world.apply(word("STOP", "c", at_s=world.now_s - 200, account="sales"))
    assert world.consent.status == "opted_in"
    world.apply(request("opted_in", 2))
    world.apply(word("STOP", "d", at_s=world.now_s - 100, account="sales"))
    assert world.consent.status == "opted_out"


def test_consent_outlives_the_row(world: PhoneWorld) -> None:
    """The sweep forgets the recipient, and not what it wants."""
    world.apply(word("STOP"))
    world.now_s += 10 * 86_400
    world.apply(RetentionElapsed(phone=PHONE))
    assert world.row is None
    world.submit("offer", category="marketing")
    assert world.statuses("offer") == ["rejected"]


def test_many_waiting_messages_are_rejected_in_slices(world: PhoneWorld) -> None:
    """Also when the recipient opts in before the last slice; what was accepted after the opt-out stays."""
    total = 2 * MAX_REJECTED_PER_EVENT + 1
    for index in range(total):
        world.submit(f"m{index}", category="marketing", send_at_s=world.now_s + 50)
    effects, is_first = world.apply(word("STOP")), True
    while rest := [effect.event for effect in effects if isinstance(effect, ForwardEvent)]:
        if is_first:
            world.apply(word("START", "in2"))
            world.submit("new", category="marketing", send_at_s=world.now_s + 50)
        is_first, effects = False, world.apply(rest[0])
    states = [message.state for message in world.messages.values()]
    assert states.count(State.REJECTED) == total
    assert world.messages["new"].state is State.SCHEDULED


# -- two numbers of one chat


@pytest.mark.parametrize("decided_by", [word("STOP"), request("opted_out")])
def test_two_numbers_of_a_chat_have_one_consent(decided_by: Event) -> None:
    """What was decided for the one number counts for the other, once WhatsApp says that they are the same."""
    world = Recipients(canonical={PHONE: OTHER})
    world.apply(decided_by)
    world.submit(PHONE, "parcel")  # looked up, and moved
    world.settle()
    world.submit(PHONE, "offer", category="marketing")
    world.submit(OTHER, "offer2", category="marketing")
    world.settle()
    assert world.shown_ids() == ["parcel"]
    assert world.statuses_of("offer") == [(OTHER, "rejected")]
    assert world.get(PHONE).consent is None
    world.apply(word("START", "in2"))  # to the alias
    world.settle()
    world.submit(PHONE, "offer3", category="marketing")
    world.settle()
    assert world.shown_ids() == ["parcel", "offer3"]


def test_what_was_accepted_under_an_alias_is_rejected_at_the_number_of_the_chat() -> None:
    """Its dead letter has the record, and its status follows `accepted`."""
    world = Recipients(canonical={PHONE: OTHER})
    world.apply(word("STOP", phone=OTHER))
    world.submit(PHONE, "offer", category="marketing")
    world.settle()
    assert not world.shown_ids()
    assert [status for _, status in world.statuses_of("offer")] == ["accepted", "rejected"]
    (letter,) = world.get(OTHER).dead_letters()
    assert letter.error.code == "recipient_opted_out"
    assert world.get(OTHER).messages["offer"].state is State.REJECTED


def test_the_later_of_two_decisions_for_one_chat_counts() -> None:
    """An opt-in at the number of the chat is not undone by an older opt-out at the alias."""
    world = Recipients(canonical={PHONE: OTHER})
    world.apply(request("opted_out", 1))
    world.now_s += 10
    world.apply(request("opted_in", 2, OTHER))
    world.submit(PHONE, "parcel")
    world.settle()
    consent = world.get(OTHER).consent
    assert consent is not None
    assert consent.status == "opted_in"


def test_a_rejection_is_published_once_for_a_repeat(world: PhoneWorld) -> None:
    """A repeat of a request whose message waited gets its last status."""
    world.submit("offer", category="marketing")
    world.apply(word("STOP"))
    effects = world.submit("offer", category="marketing")
    (status,) = [effect for effect in effects if isinstance(effect, PublishStatus)]
    assert (status.status, status.event_id_suffix) == ("rejected", "1")
