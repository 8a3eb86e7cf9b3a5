"""Receipts: WhatsApp's server has the message, or the recipient's phone has it, or it was read or played there.

A status only moves forward, and `sent` is always published before the receipt of a phone. Any receipt proves
that the message arrived, whatever its attempts could find out:

    the message is             what a receipt does
    ------------------------   -----------------------------------------------------------------------
    in flight                  it is kept in the row until the outcome, and then the message is sent
    waiting, after an attempt  the message is sent, and leaves the queue: it is not dispatched again
    unknown                    the message is sent: the one thing that may follow a final status
    sent, delivered, read      the status moves forward
    failed, rejected, expired, nothing: the status was wrong, and a final status stays
    cancelled
    never dispatched           nothing: the receipt is of an earlier message with the same id
"""

from typing import Final

from msgspec.structs import replace

from streams.domain.phone.events import ReceiptKind, ReceiptSeen
from streams.domain.phone.state import DELIVERY_STATES, OPEN_STATES, Message, State
from streams.domain.phone.transition import Transition

_NEVER_ARRIVED: Final = frozenset({State.FAILED, State.REJECTED, State.EXPIRED, State.CANCELLED})


def apply_receipt(transition: Transition, event: ReceiptSeen) -> bool:
    """A receipt that says more than is recorded already."""
    message = transition.get_message(event.id)
    if message is None:
        return False
    if message.state in OPEN_STATES and not message.dispatches:
        return False
    if message.state in (State.WAITING, State.UNKNOWN):
        sent = _prove_sent(transition, message, event)
        publish_receipt(transition, sent, event)
        return True
    if message.state in OPEN_STATES:
        return _keep_early_receipt(transition, message, event.receipt)
    return publish_receipt(transition, message, event)


def contradicts_status(message: Message) -> bool:
    """Whether a receipt of this message shows that the status in which it ended was wrong."""
    return message.state in _NEVER_ARRIVED


def publish_receipt(transition: Transition, message: Message, event: ReceiptSeen) -> bool:
    """The message moves on to this receipt, and its status is published; False: it is not later."""
    if message.state not in DELIVERY_STATES or not _is_later(event.receipt, message.state):
        return False
    transition.publish_status(
        replace(message, state=State(event.receipt), early_receipt=None),
        event.receipt,
        attempt=message.attempts,
        account=event.account,
        whatsapp_id=event.whatsapp_id,
    )
    return True


def _prove_sent(transition: Transition, message: Message, event: ReceiptSeen) -> Message:
    """The message was sent after all. It arrived before the receipt was seen, and so before now.

    One that is unknown was counted against the limit when it was given up, but it may have arrived only since then.
    """
    transition.record_send_time()
    if message.state is State.UNKNOWN:
        return transition.publish_status(
            replace(message, state=State.SENT),
            "sent",
            attempt=message.attempts,
            account=event.account,
            whatsapp_id=event.whatsapp_id,
        )
    return transition.complete(
        replace(message, attempts=message.attempts + 1, in_doubt_since_s=0.0),
        State.SENT,
        attempt=message.attempts + 1,
        account=event.account,
        whatsapp_id=event.whatsapp_id,
    )


def _keep_early_receipt(transition: Transition, message: Message, receipt: ReceiptKind) -> bool:
    if message.early_receipt is not None and not _is_later(receipt, message.early_receipt):
        return False
    transition.put_message(replace(message, early_receipt=receipt))
    return True


def _is_later(receipt: ReceiptKind, than: State | ReceiptKind) -> bool:
    return DELIVERY_STATES.index(State(receipt)) > DELIVERY_STATES.index(State(than))
