"""An id that a forgotten message had is used again: the answer is true of the new message, and nothing is sent twice.

The new message would have the WhatsApp id of the old one, so its recipient would drop it. `sent` would be a lie.
"""

import pytest
from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch, InstructForget
from streams.domain.phone.events import Failed, OutcomeUnknown, RetentionElapsed, Sent
from streams.domain.phone.state import InFlight, Message
from streams.domain.phone.values.forgetting import GRACE_S
from streams.domain.sending.claim import Claim, Conclude, concluded_claim, decide
from streams.domain.sending.command import SendCommand
from streams.domain.sending.forgotten import is_to_forget, make_remainder
from streams.domain.sending.unanswered import result_of_unanswered
from streams.testing.phone_world import PHONE, PhoneWorld, make_command, make_outcome
from tests.domain.phone.forgetting.test_forgetting import forget

UNKNOWN = Error("outcome_unknown", "the profile was lost")


def read_command(world: PhoneWorld) -> SendCommand:
    """The command of the last dispatch."""
    dispatch = [effect for effect in world.effects if isinstance(effect, Dispatch)][-1]
    return make_command(dispatch, appended_at_s=world.now_s)


def conclude_and_forget(world: PhoneWorld, result: Sent | OutcomeUnknown) -> Claim:
    """A message ends, and its recipient is forgotten; returns what its account keeps."""
    world.submit("x")
    claim = Claim(
        phone=PHONE,
        id="x",
        dispatch_number=1,
        accepted_offset=read_command(world).accepted_offset,
        claimed_at_s=world.now_s,
        result=result,
        concluded_at_s=world.now_s,
    )
    world.conclude(result)
    forget(world)
    world.now_s += 2 * GRACE_S
    remainder = make_remainder(claim, world.now_s)
    assert remainder is not None
    return remainder


def sweep(world: PhoneWorld) -> None:
    """What the dispatcher keeps is removed."""
    world.apply(RetentionElapsed(phone=PHONE, ids=tuple(world.messages)))
    assert world.messages == {}


@pytest.mark.parametrize(
    "result", [Sent(at_s=1_000_000.0), OutcomeUnknown(at_s=1_000_000.0, error=UNKNOWN)]
)
def test_the_new_message_fails_and_says_why(result: Sent | OutcomeUnknown) -> None:
    """Nothing is sent for it, whatever became of the old one; neither for a replay of its dead letter."""
    world = PhoneWorld()
    claim = conclude_and_forget(world, result)
    sweep(world)
    world.submit("x")
    command = read_command(world)
    decision = decide(command, claim, world.now_s)
    assert isinstance(decision, Conclude)
    assert isinstance(decision.result, Failed)
    assert concluded_claim(command, claim, decision.result, world.now_s) is None, (
        "the count of today, and the old result, stay"
    )
    world.conclude(decision.result)
    assert world.statuses("x")[-1] == "failed"
    (letter,) = world.dead_letters()[-1:]
    assert (letter.error.code, letter.outcome) == ("id_already_used", "not_sent")
    world.submit("x", replay_of=letter.dead_letter_id)
    assert decide(read_command(world), claim, world.now_s) == decision


def test_a_dispatch_that_nobody_answers_says_the_same() -> None:
    """The resolver reads the same row."""
    world = PhoneWorld()
    claim = conclude_and_forget(world, Sent(at_s=world.now_s))
    sweep(world)
    world.submit("x")
    assert world.row is not None
    in_flight = world.row.in_flight
    assert in_flight is not None

    def resolve(flight: InFlight) -> object:
        return result_of_unanswered(
            flight,
            claim,
            now_s=world.now_s,
            closes_at_s=0.0,
            idempotency_window_s=1e9,
            is_sender_alive=False,
        )

    assert isinstance(resolve(in_flight), Failed)
    assert resolve(replace(in_flight, accepted_offset=claim.accepted_offset)) == claim.result


def test_the_same_command_again_gets_its_own_result() -> None:
    """A command of the forgotten message that is read twice is not of a later one."""
    world = PhoneWorld()
    world.submit("x")
    command = read_command(world)
    result = Sent(at_s=world.now_s)
    claim = concluded_claim(command, None, result, world.now_s)
    assert claim is not None
    remainder = make_remainder(claim, world.now_s)
    assert decide(command, remainder, world.now_s) == Conclude(result)
    old = replace(command, accepted_offset=-1)
    assert decide(old, remainder, world.now_s) == Conclude(result), "of an earlier version"


def test_a_late_outcome_of_the_forgotten_message_does_not_end_the_new_one() -> None:
    """It has the same id and the same number; its account was away."""
    world = PhoneWorld()
    claim = conclude_and_forget(world, OutcomeUnknown(at_s=world.now_s, error=UNKNOWN))
    sweep(world)
    world.submit("x")
    late = make_outcome(Sent(at_s=world.now_s), id="x", accepted_offset=claim.accepted_offset)
    assert world.apply(late) == []
    assert world.row is not None
    assert world.row.in_flight is not None
    own = replace(late, accepted_offset=read_command(world).accepted_offset)
    world.apply(own)
    assert world.statuses("x")[-1] == "sent"


def test_what_is_left_counts_no_longer_than_its_time() -> None:
    """Also if the sweep comes late: the request is a new one."""
    world = PhoneWorld()
    conclude_and_forget(world, Sent(at_s=world.now_s))
    assert world.messages, "the sweep has not come"
    world.submit("x")
    assert world.dispatched_ids() == ["x", "x"]
    sweep_ids = tuple(id_ for id_ in world.messages if id_ != "x")
    world.apply(RetentionElapsed(phone=PHONE, ids=sweep_ids))
    assert set(world.messages) == {"x"}


def test_a_message_that_was_accepted_meanwhile_keeps_its_claim() -> None:
    """The instruction comes later than the request to forget; only what was before the request is forgotten."""
    world = PhoneWorld()
    world.submit("before")
    before = read_command(world).accepted_offset
    world.conclude(Sent(at_s=world.now_s))
    forget(world)
    world.submit("after")
    after = read_command(world).accepted_offset
    (instruction,) = [effect for effect in world.effects if isinstance(effect, InstructForget)]
    claim = Claim(phone=PHONE, id="x", dispatch_number=1, claimed_at_s=world.now_s)
    place = instruction.before_offset
    for offset, is_covered in ((before, True), (after, False), (-1, True)):
        row = replace(claim, accepted_offset=offset)
        assert is_to_forget(row, PHONE, world.now_s, place) == is_covered
    assert not is_to_forget(replace(claim, accepted_offset=before), PHONE, world.now_s - 1, place)


def test_a_replay_is_the_same_message() -> None:
    """Its identity is that of the first request, also if only the remainder of that is there."""
    world = PhoneWorld()
    world.submit("x")
    offset = read_command(world).accepted_offset
    world.conclude(OutcomeUnknown(at_s=world.now_s, error=UNKNOWN))
    forget(world)
    letter_id = world.dead_letters()[-1].dead_letter_id
    world.submit("x", replay_of=letter_id, allow_duplicate=True)
    message: Message = world.messages["x"]
    assert (message.accepted_offset, message.generation) == (offset, 2)
    assert read_command(world).accepted_offset == offset
