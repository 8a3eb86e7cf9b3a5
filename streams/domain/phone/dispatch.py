"""Releasing the next message of a phone, or saying what it waits for."""

from msgspec.structs import replace

from streams.domain import rate_limit
from streams.domain.accounts.routing import AccountCapacities, AccountChoice, choose_account
from streams.domain.errors import Error
from streams.domain.phone import queue
from streams.domain.phone.effects import Dispatch
from streams.domain.phone.events import PRIORITIES
from streams.domain.phone.state import InFlight, Message, State, Wait
from streams.domain.phone.transition import Transition

MAX_DROPS_PER_EVENT = (
    50  # messages that one event may give up at most; more of them wait for the next wake
)


def dispatch_next(transition: Transition, accounts: AccountCapacities) -> None:
    """Release one message if the phone may have one now; else leave in the row what it waits for."""
    transition.update_phone(timer_at_s=0.0, waits=())
    if transition.phone.in_flight is not None:
        return
    if not _drop_undeliverable_heads(transition):
        transition.update_phone(
            timer_at_s=transition.now_s
        )  # a long row of them: go on at the next wake
        return
    heads = _get_heads(transition)
    if not heads:
        return
    at_s = rate_limit.next_send_at_s(
        transition.phone.send_times_s,
        transition.policy.rate_limit_per_minute,
        transition.policy.clock_skew_s,
    )
    if at_s > transition.now_s:
        _set_timer(transition, heads, at_s)
        transition.publish_queued(heads[0], "rate_limited", at_s)
        return
    _dispatch_first(transition, heads, accounts)


def _get_heads(transition: Transition) -> list[Message]:
    heads = [transition.peek(priority) for priority in queue.order_priorities(transition.phone)]
    return [head for head in heads if head is not None]


def _dispatch_first(
    transition: Transition, heads: list[Message], accounts: AccountCapacities
) -> None:
    blocked: list[tuple[Message, AccountChoice]] = []
    for head in heads:
        if head.not_before_s > transition.now_s:
            continue
        choice = choose_account(head.pinned_to or head.account, transition.phone.account, accounts)
        if choice.account is not None:
            return _dispatch(transition, head, choice.account)
        blocked.append((head, choice))
    _set_timer(transition, heads, 0.0)
    for message, choice in blocked:
        _add_wait(transition, message, choice)


def _dispatch(transition: Transition, message: Message, account: str) -> None:
    dispatch_number = message.dispatches + 1
    deadline_s = min(
        transition.now_s + transition.policy.dispatch_timeout_s,
        message.expires_at_s or float("inf"),
    )
    chat = (
        transition.phone.chat
        if transition.phone.chat and transition.phone.chat.valid_until_s > transition.now_s
        else None
    )
    transition.put_message(replace(message, state=State.DISPATCHED, dispatches=dispatch_number))
    transition.phone = queue.count_bulk_skip(transition.phone, message.priority)
    in_flight = InFlight(
        id=message.id,
        account=account,
        dispatch_number=dispatch_number,
        dispatched_at_s=transition.now_s,
        deadline_s=deadline_s,
    )
    transition.update_phone(in_flight=in_flight, account=account, timer_at_s=0.0)
    transition.emit(
        Dispatch(
            id=message.id,
            account=account,
            dispatch_number=dispatch_number,
            deadline_s=deadline_s,
            chat_id=chat.chat_id if chat else None,
            allow_duplicate=message.allow_duplicate,
        )
    )


def _add_wait(transition: Transition, message: Message, choice: AccountChoice) -> None:
    priority_rank = PRIORITIES.index(message.priority)
    wait = Wait(
        reason=choice.blocked_reason, account=choice.required_account, priority_rank=priority_rank
    )
    transition.update_phone(waits=(*transition.phone.waits, wait))
    transition.publish_queued(message, choice.blocked_reason)


def _set_timer(transition: Transition, heads: list[Message], at_s: float) -> None:
    """Look again when the first of these times comes: the limit's, a retry's, an expiry's."""
    times_s = [at_s] if at_s else [head.not_before_s for head in heads]
    times_s += [_get_drop_at_s(transition, head) for head in heads]
    future_times_s = [time_s for time_s in times_s if time_s > transition.now_s]
    transition.update_phone(timer_at_s=min(future_times_s, default=0.0))


def _drop_undeliverable_heads(transition: Transition) -> bool:
    """Settle heads whose time has passed; False if there may be more of them."""
    for _ in range(MAX_DROPS_PER_EVENT):
        head = next(
            (head for head in _get_heads(transition) if _is_undeliverable(transition, head)), None
        )
        if head is None:
            return True
        _drop(transition, head)
    return False


def _is_undeliverable(transition: Transition, head: Message) -> bool:
    return _is_not_on_whatsapp(transition) or _get_drop_at_s(transition, head) <= transition.now_s


def _is_not_on_whatsapp(transition: Transition) -> bool:
    chat = transition.phone.chat
    return chat is not None and chat.chat_id is None and chat.valid_until_s > transition.now_s


def _get_drop_at_s(transition: Transition, head: Message) -> float:
    """A message with an unsettled claim does not expire: nobody could say that nothing was sent."""
    if head.pinned_to is not None:
        return head.in_doubt_since_s + transition.policy.unknown_after_s
    return head.expires_at_s or float("inf")


def _drop(transition: Transition, head: Message) -> None:
    if head.pinned_to is not None:
        detail = f"the claim of account {head.pinned_to} could not be settled in time"
        error = Error("outcome_unknown", detail)
        transition.update_phone(
            send_times_s=rate_limit.add_send_time(
                transition.phone.send_times_s,
                transition.now_s,
                transition.policy.rate_limit_per_minute,
            )
        )
        transition.complete_with_dead_letter(
            head, State.UNKNOWN, error, outcome="unknown", account=head.pinned_to
        )
    elif head.expires_at_s and head.expires_at_s <= transition.now_s:
        transition.complete(head, State.EXPIRED, attempt=head.attempts)
    else:
        detail = "WhatsApp said so when it was asked last"
        transition.complete_with_dead_letter(
            head, State.FAILED, Error("recipient_not_on_whatsapp", detail)
        )
