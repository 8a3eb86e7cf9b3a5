"""Times of rows that the broker's clock has overtaken: stored before the clock was set back, and read after.

What is stored is the append time of an event. If a row was written later than the event that reads it, the
broker's clock has been set back in between. Then every time in the row moves back by the same amount, so that nothing
waits longer than it would have waited when the row was written. In addition, no time may lie further in the future
than its own rule allows, however it came into the row:

    time                                        at the latest
    -----------------------------------------   -----------------------------------------------
    when something happened                     now
    until when a look-up is remembered          now and the time for which it is remembered
    until when a message or account is kept     now and `MAX_HOLD_S`: a sender decides again then

Times that a caller chose (`send_at`, `expires_at`) are not changed: they mean the time itself. Nor is the deadline
of a dispatch, because its command cannot be changed. Nothing is decided here.
"""

from typing import Final

from msgspec.structs import replace

from streams.domain.conversation import Conversation
from streams.domain.phone.state import Chat, Closure, InFlight, Message, Phone
from streams.domain.policy import Policy

MAX_HOLD_S: Final = (
    31 * 86_400.0
)  # the longest that WhatsApp is known to hold an account back: a quota's month


def correct_phone(row: Phone, now_s: float, policy: Policy) -> Phone:
    """The phone's row with times that are possible at `now_s`, the append time of an event."""
    if _is_phone_possible(row, now_s, policy):
        return row
    shift_s = max(0.0, row.last_active_s - now_s)
    corrected = replace(
        row,
        in_flight=row.in_flight and _correct_in_flight(row.in_flight, shift_s, now_s),
        timer_at_s=_move(row.timer_at_s, shift_s, now_s + MAX_HOLD_S),
        closures={
            name: _correct_closure(closure, shift_s, now_s)
            for name, closure in row.closures.items()
        },
        chat=None if row.chat is None else _correct_chat(row.chat, shift_s, now_s, policy),
        conversation=row.conversation and _correct_conversation(row.conversation, shift_s, now_s),
        send_times_s=tuple(_move(at_s, shift_s, now_s) for at_s in row.send_times_s),
        last_active_s=min(row.last_active_s, now_s),
        forgotten=row.forgotten
        and replace(row.forgotten, at_s=_move(row.forgotten.at_s, shift_s, now_s)),
    )
    return row if corrected == row else corrected


def _is_phone_possible(row: Phone, now_s: float, policy: Policy) -> bool:
    """Whether certainly nothing is to be corrected, which is cheaper to see than to do."""
    if row.last_active_s > now_s or row.closures or row.forgotten is not None:
        return False
    if row.timer_at_s > now_s + MAX_HOLD_S or max(row.send_times_s, default=0.0) > now_s:
        return False
    in_flight, talk, chat = row.in_flight, row.conversation, row.chat
    if in_flight is not None and in_flight.overdue_since_s > now_s:
        return False
    if talk is not None and max(talk.last_received_at_s, talk.last_sent_at_s) > now_s:
        return False
    return chat is None or chat.valid_until_s <= now_s + _get_remembered_s(chat, policy)


def correct_message(row: Message, now_s: float) -> Message:
    """The message's row with times that are possible at `now_s`, the append time of an event."""
    if _is_possible(row, now_s):
        return row
    shift_s = max(0.0, row.changed_s - now_s)
    latest_s = now_s + MAX_HOLD_S
    corrected = replace(
        row,
        changed_s=min(row.changed_s, now_s),
        not_before_s=_move(row.not_before_s, shift_s, latest_s),
        in_doubt_since_s=_move(row.in_doubt_since_s, shift_s, now_s),
        held_back_until_s=_move(row.held_back_until_s, shift_s, latest_s),
        first_failed_at_s=_move(row.first_failed_at_s, shift_s, now_s),
        completed_at_s=_move(row.completed_at_s, shift_s, now_s),
        forgotten_at_s=_move(row.forgotten_at_s, shift_s, now_s),
    )
    return row if corrected == row else corrected


def _is_possible(row: Message, now_s: float) -> bool:
    """Whether nothing is to be corrected, which is cheaper to see than to do."""
    if row.changed_s > now_s or row.first_failed_at_s > now_s or row.in_doubt_since_s > now_s:
        return False
    if row.completed_at_s > now_s or row.forgotten_at_s > now_s:
        return False
    latest_s = now_s + MAX_HOLD_S
    return row.not_before_s <= latest_s and row.held_back_until_s <= latest_s


def _correct_in_flight(in_flight: InFlight, shift_s: float, now_s: float) -> InFlight:
    """Move the mark, from which giving up counts.

    The deadline stays: its command has it too, and a claim may be in time by it once the clock has come back.
    """
    return replace(in_flight, overdue_since_s=_move(in_flight.overdue_since_s, shift_s, now_s))


def _correct_conversation(row: Conversation, shift_s: float, now_s: float) -> Conversation:
    return replace(
        row,
        last_received_at_s=_move(row.last_received_at_s, shift_s, now_s),
        last_sent_at_s=_move(row.last_sent_at_s, shift_s, now_s),
    )


def _correct_closure(closure: Closure, shift_s: float, now_s: float) -> Closure:
    latest_s = now_s + MAX_HOLD_S
    return replace(
        closure,
        until_s=_move(closure.until_s, shift_s, latest_s),
        retry_at_s=_move(closure.retry_at_s, shift_s, latest_s),
    )


def _correct_chat(chat: Chat, shift_s: float, now_s: float, policy: Policy) -> Chat:
    latest_s = now_s + _get_remembered_s(chat, policy)
    return replace(chat, valid_until_s=_move(chat.valid_until_s, shift_s, latest_s))


def _get_remembered_s(chat: Chat, policy: Policy) -> float:
    return policy.lookup_cache_s if chat.chat_id is None else policy.lookup_cache_found_s


def _move(at_s: float, shift_s: float, latest_s: float) -> float:
    """The time, moved back and no later than this; 0 means that there is none."""
    return min(at_s - shift_s, latest_s) if at_s else 0.0
