"""What is left of a forgotten recipient for a short time, so that nothing is sent to it twice. Forgets nothing itself.

A record may be read twice after a crash, and a caller may repeat a request. Of each message that had ended less than
`GRACE_S` before, a row stays with a hash of its id and its last status: the answer to a repeat. The recipient's row
stays for as long, with its offset, so that no event of before is applied again, and with the times of the last minute.
Older messages need nothing: their records were acknowledged long ago.
"""

from msgspec.structs import replace

from streams.domain.phone.effects import PublishForgetReport
from streams.domain.phone.state import Message, Phone
from streams.domain.phone.transition import Transition
from streams.domain.phone.values.forgetting import GRACE_S, remainder_id


def is_remainder_expired(message: Message, now_s: float) -> bool:
    """Whether what is left of a forgotten message is not needed any more."""
    return message.forgotten_at_s > 0 and message.forgotten_at_s + GRACE_S <= now_s


def keep_until_s(phone: Phone) -> float:
    """Until when the row must stay because of this; infinity: until it is done."""
    if phone.forgetting is not None:
        return float("inf")
    return 0.0 if phone.forgotten is None else phone.forgotten.at_s + GRACE_S


def has_expired(phone: Phone, now_s: float) -> bool:
    """Whether the row need not remember any more that the recipient was forgotten."""
    return phone.forgotten is not None and keep_until_s(phone) <= now_s


def end_grace(transition: Transition) -> bool:
    """Remove what the row remembers of it, and its reports, if it is time."""
    forgotten = transition.phone.forgotten
    if forgotten is None or not has_expired(transition.phone, transition.now_s):
        return False
    for request_id in forgotten.request_ids:
        transition.emit(PublishForgetReport(request_id=request_id, report=None))
    transition.update_phone(forgotten=None)
    return True


def find(transition: Transition, request_id: str) -> Message | None:
    """What is left of a message of this id. After its time it counts no more, even if the sweep comes late."""
    remainder = transition.get_remainder(request_id)
    is_over = remainder is not None and is_remainder_expired(remainder, transition.now_s)
    return None if is_over else remainder


def answer_repeat(transition: Transition, message: Message, request_id: str) -> None:
    """A request of which only the remainder is there is answered with its last status, and nothing is sent."""
    if message.last_status is not None:
        transition.emit(replace(message.last_status, id=request_id))


def remove(transition: Transition, message: Message) -> None:
    """Remove a message that has ended; if that was a short time ago, a remainder is stored."""
    transition.remove_message(message)
    if message.completed_at_s + GRACE_S <= transition.now_s:
        return
    earlier = transition.get_remainder(message.id)
    if earlier is not None:  # of a message whose dead letter was replayed after it was forgotten
        transition.remove_message(earlier)
    status = message.last_status
    transition.put_message(
        Message(
            id=remainder_id(transition.phone.phone, message.id),
            offset=message.offset,
            accepted_offset=message.accepted_offset,
            state=message.state,
            generation=message.generation,
            dispatches=message.dispatches,
            queued_count=message.queued_count,
            may_have_arrived=message.may_have_arrived,
            completed_at_s=message.completed_at_s,
            dead_letter_id=message.dead_letter_id,
            last_status=status and replace(status, id=""),
            forgotten_at_s=transition.append_s,
        )
    )
