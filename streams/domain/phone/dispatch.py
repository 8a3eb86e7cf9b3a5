"""Releasing the next message of a phone, or saying what it waits for."""

from msgspec.structs import replace

from streams.domain import rate_limit
from streams.domain.accounts.routing import Accounts, Choice, choose
from streams.domain.errors import Error
from streams.domain.phone import queue
from streams.domain.phone.effects import Release
from streams.domain.phone.events import PRIORITIES
from streams.domain.phone.state import Flight, Message, State, Wait
from streams.domain.phone.transition import Fold

DROPS = 50  # messages that one event may give up at most; more of them wait for the next wake


def release_next(fold: Fold, accounts: Accounts) -> None:
    """Release one message if the phone may have one now; else leave in the row what it waits for."""
    fold.change(due_s=0.0, waits=())
    if fold.phone.flight is not None:
        return
    if not _give_up_heads(fold):
        fold.change(due_s=fold.now_s)  # a long row of them: go on at the next wake
        return
    heads = _heads(fold)
    if not heads:
        return
    at_s = rate_limit.earliest_s(fold.phone.sent_s, fold.rules.limit, fold.rules.clock_skew_s)
    if at_s > fold.now_s:
        _wait(fold, heads, at_s)
        fold.queued(heads[0], "rate_limited", at_s)
        return
    _release_first(fold, heads, accounts)


def _heads(fold: Fold) -> list[Message]:
    heads = [fold.head(priority) for priority in queue.order(fold.phone)]
    return [head for head in heads if head is not None]


def _release_first(fold: Fold, heads: list[Message], accounts: Accounts) -> None:
    blocked: list[tuple[Message, Choice]] = []
    for head in heads:
        if head.not_before_s > fold.now_s:
            continue
        choice = choose(head.bound or head.account, fold.phone.account, accounts)
        if choice.account is not None:
            return _release(fold, head, choice.account)
        blocked.append((head, choice))
    _wait(fold, heads, 0.0)
    for message, choice in blocked:
        _block(fold, message, choice)


def _release(fold: Fold, message: Message, account: str) -> None:
    number = message.releases + 1
    deadline_s = min(fold.now_s + fold.rules.hold_s, message.expires_at_s or float("inf"))
    chat = fold.phone.chat if fold.phone.chat and fold.phone.chat.until_s > fold.now_s else None
    fold.put(replace(message, state=State.RELEASED, releases=number))
    fold.phone = queue.passed(fold.phone, message.priority)
    flight = Flight(
        id=message.id,
        account=account,
        release=number,
        released_at_s=fold.now_s,
        deadline_s=deadline_s,
    )
    fold.change(flight=flight, account=account, due_s=0.0)
    fold.tell(
        Release(
            id=message.id,
            account=account,
            release=number,
            deadline_s=deadline_s,
            chat_id=chat.chat_id if chat else None,
            again=message.again,
        )
    )


def _block(fold: Fold, message: Message, choice: Choice) -> None:
    rank = PRIORITIES.index(message.priority)
    wait = Wait(reason=choice.blocked, account=choice.waits_for, rank=rank)
    fold.change(waits=(*fold.phone.waits, wait))
    fold.queued(message, choice.blocked)


def _wait(fold: Fold, heads: list[Message], at_s: float) -> None:
    """Look again when the first of these times comes: the limit's, a retry's, an expiry's."""
    times = [at_s] if at_s else [head.not_before_s for head in heads]
    times += [_given_up_at_s(fold, head) for head in heads]
    later = [time_s for time_s in times if time_s > fold.now_s]
    fold.change(due_s=min(later, default=0.0))


def _give_up_heads(fold: Fold) -> bool:
    """Settle heads whose time has passed; False if there may be more of them."""
    for _ in range(DROPS):
        head = next((head for head in _heads(fold) if _is_to_give_up(fold, head)), None)
        if head is None:
            return True
        _give_up(fold, head)
    return False


def _is_to_give_up(fold: Fold, head: Message) -> bool:
    return _not_on_whatsapp(fold) or _given_up_at_s(fold, head) <= fold.now_s


def _not_on_whatsapp(fold: Fold) -> bool:
    chat = fold.phone.chat
    return chat is not None and chat.chat_id is None and chat.until_s > fold.now_s


def _given_up_at_s(fold: Fold, head: Message) -> float:
    """A message with an unsettled claim does not expire: nobody could say that nothing was sent."""
    if head.bound is not None:
        return head.claimed_at_s + fold.rules.unknown_after_s
    return head.expires_at_s or float("inf")


def _give_up(fold: Fold, head: Message) -> None:
    if head.bound is not None:
        detail = f"the claim of account {head.bound} could not be settled in time"
        error = Error("outcome_unknown", detail)
        fold.change(sent_s=rate_limit.record(fold.phone.sent_s, fold.now_s, fold.rules.limit))
        fold.bury(head, State.UNKNOWN, error, outcome="unknown", account=head.bound)
    elif head.expires_at_s and head.expires_at_s <= fold.now_s:
        fold.settle(head, State.EXPIRED, attempt=head.attempts)
    else:
        detail = "WhatsApp said so when it was asked last"
        fold.bury(head, State.FAILED, Error("recipient_not_on_whatsapp", detail))
