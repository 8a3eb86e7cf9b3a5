"""Receipts: the recipient's phone has the message, or it was read or played there.

A status only moves forward. A receipt may overtake the outcome of its own message; it is then kept in
the message's row until the outcome comes, so that `sent` is always published first.
"""

from msgspec.structs import replace

from streams.domain.phone.events import ReceiptKind, ReceiptSeen
from streams.domain.phone.state import DELIVERY_STATES, OPEN_STATES, Message, State
from streams.domain.phone.transition import Transition


def apply_receipt(transition: Transition, event: ReceiptSeen) -> bool:
    """A receipt that says more than is recorded already."""
    message = transition.get_message(event.id)
    if message is None:
        return False
    if message.state in OPEN_STATES:
        return _keep_early_receipt(transition, message, event.receipt)
    if message.state not in DELIVERY_STATES or not _is_later(event.receipt, message.state):
        return False
    publish_receipt(
        transition, message, event.receipt, event.account, event.whatsapp_id, event.at_s
    )
    return True


def publish_receipt(
    transition: Transition,
    message: Message,
    receipt: ReceiptKind,
    account: str,
    whatsapp_id: str,
    at_s: float,
) -> Message:
    """The message moves on to this receipt, and its status is published."""
    return transition.publish_status(
        replace(message, state=State(receipt), early_receipt=None),
        receipt,
        attempt=message.attempts + 1,
        account=account,
        whatsapp_id=whatsapp_id,
        at_s=at_s,
    )


def _keep_early_receipt(transition: Transition, message: Message, receipt: ReceiptKind) -> bool:
    if message.early_receipt is not None and not _is_later(receipt, message.early_receipt):
        return False
    transition.put_message(replace(message, early_receipt=receipt))
    return True


def _is_later(receipt: ReceiptKind, than: State | ReceiptKind) -> bool:
    return DELIVERY_STATES.index(State(receipt)) > DELIVERY_STATES.index(State(than))
