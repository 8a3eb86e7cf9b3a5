"""What becomes of a message: the outcome of its release, its acks, and being forgotten."""

from msgspec.structs import replace

from streams.domain import backoff, rate_limit
from streams.domain.errors import Error, ErrorClass
from streams.domain.phone.events import Acked, Aged, Deferred, Failed, Lost, Outcome, Sent
from streams.domain.phone.state import ACKS, OPEN, Chat, Message, State
from streams.domain.phone.transition import Fold

_WAITS = (ErrorClass.THROTTLED, ErrorClass.SESSION)


def outcome(fold: Fold, event: Outcome) -> bool:
    """The flight ends. An outcome of another release than the one in flight is a repeat."""
    flight = fold.phone.flight
    if flight is None or (flight.id, flight.release) != (event.id, event.release):
        return False
    fold.change(flight=None)
    _learn_chat(fold, event)
    message = fold.message(event.id)
    if message is None:
        return True  # its row was lost with the disk and the changelog: there is nothing to settle
    match event.result:
        case Sent():
            _sent(fold, message, event, event.result)
        case Failed():
            _failed(fold, message, event, event.result.error)
        case Deferred():
            _deferred(fold, message, event, event.result)
        case Lost():
            _lost(fold, message, event, event.result)
    return True


def acked(fold: Fold, event: Acked) -> bool:
    """A status that only moves forward; before the outcome it is kept until that comes."""
    message = fold.message(event.id)
    ack = State(event.ack)
    if message is None:
        return False
    if message.state in OPEN:
        if message.early_ack and ACKS.index(message.early_ack) >= ACKS.index(ack):
            return False
        fold.put(replace(message, early_ack=ack))
        return True
    if message.state not in ACKS or ACKS.index(message.state) >= ACKS.index(ack):
        return False
    _acknowledge(fold, message, ack, event.account, event.whatsapp_id, event.at_s)
    return True


def aged(fold: Fold, event: Aged) -> bool:
    """Settled messages past the time in which a repeat is recognised go, then the idle phone."""
    old = [each for each in event.ids if _is_old(fold, each)]
    for request_id in old:
        fold.forget(request_id)
    gone = _is_idle(fold)
    fold.change(gone=gone)
    return bool(old) or gone


def _is_old(fold: Fold, request_id: str) -> bool:
    message = fold.message(request_id)
    if message is None or message.state in OPEN:
        return False
    return message.settled_at_s + fold.rules.dedup_s <= fold.now_s


def _is_idle(fold: Fold) -> bool:
    phone, rules = fold.phone, fold.rules
    busy = phone.flight is not None or phone.waiting > 0
    remembered_s = max(
        phone.touched_s + max(rules.idle_s, rate_limit.WINDOW_S + rules.clock_skew_s), 0.0
    )
    if phone.chat is not None:
        remembered_s = max(remembered_s, phone.chat.until_s)
    return not busy and remembered_s <= fold.now_s


def _learn_chat(fold: Fold, event: Outcome) -> None:
    result = event.result
    if event.chat_id is not None:
        fold.change(chat=Chat(chat_id=event.chat_id, until_s=fold.now_s + fold.rules.chat_s))
    elif isinstance(result, Failed) and result.error.code == "recipient_not_on_whatsapp":
        fold.change(chat=Chat(chat_id=None, until_s=fold.now_s + fold.rules.no_chat_s))


def _count_sending(fold: Fold, at_s: float) -> None:
    fold.change(sent_s=rate_limit.record(fold.phone.sent_s, at_s, fold.rules.limit))


def _sent(fold: Fold, message: Message, event: Outcome, result: Sent) -> None:
    _count_sending(fold, result.at_s)
    sent = fold.settle(
        message,
        State.SENT,
        attempt=message.attempts + 1,
        account=event.account,
        whatsapp_id=event.whatsapp_id,
        at_s=result.at_s,
    )
    if message.early_ack is not None:
        ack = message.early_ack
        _acknowledge(fold, sent, ack, event.account, event.whatsapp_id, fold.now_s)


def _acknowledge(
    fold: Fold, message: Message, ack: State, account: str, whatsapp_id: str, at_s: float
) -> None:
    fold.announce(
        replace(message, state=ack, early_ack=None),
        ack.value,
        attempt=message.attempts + 1,
        account=account,
        whatsapp_id=whatsapp_id,
        at_s=at_s,
    )


def _failed(fold: Fold, message: Message, event: Outcome, error: Error) -> None:
    if error.error_class in _WAITS:
        return _deferred(fold, message, event, Deferred(error=error))
    if error.error_class is ErrorClass.UNKNOWN:
        return _lost(fold, message, event, Lost(at_s=fold.now_s, error=error))
    first_s = message.first_failed_at_s or fold.now_s
    tried = replace(
        message, attempts=message.attempts + 1, deferrals=0, bound=None, first_failed_at_s=first_s
    )
    if error.error_class is ErrorClass.TRANSIENT and tried.attempts <= fold.rules.max_retries:
        return _try_again(fold, tried, error)
    said = {"account": event.account, "whatsapp_id": event.whatsapp_id}
    return fold.bury(tried, State.FAILED, error, **said)


def _try_again(fold: Fold, message: Message, error: Error) -> None:
    delay_s = backoff.delay_s(message.id, message.attempts, fold.rules.retry_delay_s)
    at_s = fold.now_s + delay_s
    waiting = replace(message, state=State.WAITING, not_before_s=at_s, claimed_at_s=0.0)
    fold.queued(waiting, "retry", at_s, error)


def _deferred(fold: Fold, message: Message, event: Outcome, result: Deferred) -> None:
    """Handed back: no attempt is counted. A claim left open binds the message to that account."""
    error = result.error
    pause_s = 0.0 if error.code == "deadline_passed" else backoff.pause_s(message.deferrals)
    claimed_at_s = (message.claimed_at_s or fold.now_s) if result.claimed else 0.0
    waiting = replace(
        message,
        state=State.WAITING,
        deferrals=message.deferrals + 1,
        not_before_s=max(result.until_s, fold.now_s + pause_s),
        bound=event.account if result.claimed else None,
        claimed_at_s=claimed_at_s,
    )
    fold.put(waiting)
    if error.error_class is ErrorClass.SESSION:
        fold.queued(waiting, "no_account", waiting.not_before_s)
    elif pause_s:
        fold.queued(waiting, "rate_limited", waiting.not_before_s)


def _lost(fold: Fold, message: Message, event: Outcome, result: Lost) -> None:
    """It may have arrived, so it counts against the limit."""
    _count_sending(fold, result.at_s)
    tried = replace(message, attempts=message.attempts + 1)
    said = {"account": event.account, "whatsapp_id": event.whatsapp_id, "outcome": "unknown"}
    fold.bury(tried, State.UNKNOWN, result.error, **said)
