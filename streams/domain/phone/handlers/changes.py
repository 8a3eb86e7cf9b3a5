"""An edit or a revoke of an earlier message of this recipient: what becomes of it when it arrives.

    the earlier message                       edit                      revoke
    ---------------------------------------   -----------------------   -------------------------------------
    is not in the rows, or a change itself    `unknown_request`         the same
    failed, expired, cancelled, unknown       `unknown_request`         the same
    is scheduled, or waits                    `not_sent_yet`            both are cancelled
    is in flight, or in doubt                 `not_sent_yet`            the same
    was sent a short time ago                 waits for its account     the same
    was sent before WhatsApp's limit          `too_late_to_edit`        `too_late_to_revoke`

A change that is accepted is a message of its own: it has an id at WhatsApp, a claim and an outcome. Only the account
that has sent the message can change it, and only until the limit: then it expires. The limits are those of WhatsApp's
page (source: WAWebMessageEditUtils, WAWebRevokeMsgConstants of the build 1044822804), which judges by its own time too.
"""

from typing import Final

from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.phone.events import RequestReceived
from streams.domain.phone.handlers.cancels import is_cancellable
from streams.domain.phone.state import DELIVERY_STATES, OPEN_STATES, Message, State
from streams.domain.phone.transition import Transition

EDIT_WINDOW_S: Final = 900.0
REVOKE_WINDOW_S: Final = 2.5 * 86_400.0


def is_for_waiting(transition: Transition, event: RequestReceived) -> bool:
    """Whether it revokes a message that was certainly not sent, and that nobody sends now."""
    change = event.request.change
    if change is None or change.kind != "revoke":
        return False
    changed = _get_changed(transition, event)
    return changed is not None and is_cancellable(changed)


def cancel_changed(transition: Transition, event: RequestReceived) -> None:
    """The message that it revokes is withdrawn."""
    changed = _get_changed(transition, event)
    assert changed is not None, "the message waits"
    transition.complete(changed, State.CANCELLED, attempt=changed.attempts)


def find_refusal(transition: Transition, event: RequestReceived) -> Error | None:
    """Why the message cannot be changed; None: it can, or the request changes none."""
    change = event.request.change
    if change is None:
        return None
    changed = _get_changed(transition, event)
    if changed is None:
        return Error("unknown_request", "there is no message that could be changed")
    if changed.state in OPEN_STATES:
        return Error("not_sent_yet", "it waits, or is being sent")
    if changed.state not in DELIVERY_STATES or _get_whatsapp_id(changed) is None:
        return Error("unknown_request", f"the message is {changed.state.value}")
    if transition.now_s >= _get_ends_at_s(changed, change.kind):
        return Error(f"too_late_to_{change.kind}", "it was sent too long ago")
    return None


def complete(transition: Transition, event: RequestReceived) -> RequestReceived:
    """The change with the account that has sent the message, its id there, and the end of the time for it."""
    change, changed = event.request.change, _get_changed(transition, event)
    status = changed.last_status if changed is not None else None
    if change is None or changed is None or status is None or changed.state not in DELIVERY_STATES:
        return event
    request = replace(
        event.request,
        account=status.account,
        expires_at_s=_get_ends_at_s(changed, change.kind),
        change=replace(change, whatsapp_id=status.whatsapp_id or ""),
    )
    return replace(event, request=request)


def _get_changed(transition: Transition, event: RequestReceived) -> Message | None:
    """The message that it names. A change cannot be changed."""
    change = event.request.change
    changed = None if change is None else transition.get_message(change.changed_id)
    return changed if changed is not None and changed.change is None else None


def _get_whatsapp_id(changed: Message) -> str | None:
    status = changed.last_status
    return status.whatsapp_id if status is not None and status.account is not None else None


def _get_ends_at_s(changed: Message, kind: str) -> float:
    """`completed_at_s` is later than the time that WhatsApp counts from: the page may refuse a moment earlier."""
    return changed.completed_at_s + (EDIT_WINDOW_S if kind == "edit" else REVOKE_WINDOW_S)
