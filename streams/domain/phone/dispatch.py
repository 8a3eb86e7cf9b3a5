"""The next message of a phone is handed to a sender, or the row records what it waits for.

At most one message of a phone is in flight. Messages whose time is over are given up first. Nothing here
applies an event: this runs after every event that changed something (step.py).
"""

import math
from typing import Final, NamedTuple

from msgspec.structs import replace

from streams.domain import rate_limit
from streams.domain.accounts.routing import (
    AccountCapacities,
    AccountChoice,
    choose_account,
    is_removed,
)
from streams.domain.errors import Error
from streams.domain.phone import forwarding
from streams.domain.phone.closures import ClosedAccounts, find_closed, open_accounts
from streams.domain.phone.effects import Dispatch
from streams.domain.phone.handlers import cancels, consent
from streams.domain.phone.overtaking import EarlierMessages
from streams.domain.phone.scheduling.quiet import (
    get_quiet_until_s,
    get_submit_before_s,
    hold_back,
    is_expiring,
)
from streams.domain.phone.state import Chat, InFlight, Message, Phone, State, Wait
from streams.domain.phone.transition import Transition
from streams.domain.phone.values.queue_rows import PRIORITIES
from streams.domain.recipients import is_group

MAX_GIVEN_UP_PER_EVENT: Final = 50  # a longer row of them goes on with the next timer


class _Blocked(NamedTuple):
    """A message that has no account now, and why. `held_accounts` are left to earlier messages."""

    message: Message
    choice: AccountChoice
    closed: ClosedAccounts
    held_accounts: frozenset[str]


def dispatch_next(transition: Transition, accounts: AccountCapacities) -> Phone:
    """Dispatch one message if the phone may have one now, else record what it waits for."""
    if transition.phone.in_flight is not None:
        # `quiet_until_s` explains those that wait meanwhile
        return transition.update_phone(timer_at_s=0.0, waits=())
    phone = transition.update_phone(timer_at_s=0.0, waits=(), quiet_until_s=0.0)
    if not (phone.queues or phone.parked or phone.alias):
        return phone  # nothing waits
    cancels.cancel_withdrawn(transition)
    if not forwarding.forward_waiting(transition) or not _give_up_heads(transition, accounts):
        return transition.update_phone(timer_at_s=transition.now_s)
    heads = transition.get_heads()
    awake = _hold_back_quiet(transition, heads)
    if not awake:
        return _set_timer(transition, heads, [])
    at_s = min(_get_rate_limited_until_s(transition, head, heads) for head in awake)
    if at_s > transition.now_s:
        _set_timer(transition, heads, [at_s])
        transition.publish_queued(awake[0], "rate_limited", at_s)
        return transition.phone
    return _dispatch_first(transition, heads, awake, accounts)


def _hold_back_quiet(transition: Transition, heads: list[Message]) -> list[Message]:
    """The heads that quiet hours do not hold back. The others hold up nothing."""
    awake: list[Message] = []
    for head in heads:
        quiet_until_s = get_quiet_until_s(transition, head)
        if quiet_until_s:
            hold_back(transition, head)
            earliest_s = min(quiet_until_s, transition.phone.quiet_until_s or quiet_until_s)
            transition.update_phone(quiet_until_s=earliest_s)
        else:
            awake.append(head)
    return awake


def _dispatch_first(
    transition: Transition,
    heads: list[Message],
    awake: list[Message],
    accounts: AccountCapacities,
) -> Phone:
    """The first head that has an account leaves; those that have none wait."""
    open_accounts(transition)
    earlier = EarlierMessages()
    blocked: list[_Blocked] = []
    times_s = [head.not_before_s for head in awake]
    for head in awake:
        if earlier.hold_up(head, transition.phone.account, accounts):
            continue
        limited_until_s = _get_rate_limited_until_s(transition, head, heads)
        if limited_until_s > transition.now_s and head.not_before_s <= transition.now_s:
            times_s.append(limited_until_s)
            transition.publish_queued(head, "rate_limited", limited_until_s)
        elif head.not_before_s <= transition.now_s:
            closed = find_closed(transition, head, accounts)
            held_accounts = frozenset(earlier.get_held_accounts(head))
            choice = choose_account(
                head.required_account,
                transition.phone.account,
                accounts,
                closed.open_times_s.keys() | held_accounts,
                phone=transition.phone.phone,
            )
            if choice.account is not None:
                return _dispatch(transition, head, choice.account)
            times_s += closed.open_times_s.values()
            blocked.append(_Blocked(head, choice, closed, held_accounts))
        earlier.add(head)
    _set_timer(transition, heads, times_s)
    for wait in blocked:
        _add_wait(transition, wait)
    return transition.phone


def _get_rate_limited_until_s(transition: Transition, head: Message, heads: list[Message]) -> float:
    """The moment from which the limit allows this message; 0: now.

    An attempt in doubt may arrive at any moment, so the others keep a place in the window free for it. It has this
    place itself. At a limit of 1 they wait until it is no longer in doubt, at most `unknown_after_s`.
    """
    policy = transition.policy
    in_doubt = [other for other in heads if other.pinned_to is not None]
    reserved = 0 if head.pinned_to is not None else len(in_doubt)
    limit = policy.rate_limit_per_minute - reserved
    if limit <= 0:
        return max(_get_give_up_at_s(transition, other) for other in in_doubt)
    return rate_limit.next_send_at_s(transition.phone.send_times_s, limit, policy.clock_skew_s)


def _dispatch(transition: Transition, message: Message, account: str) -> Phone:
    dispatch_number = message.dispatches + 1
    chat = _get_valid_chat(transition)
    transition.put_message(replace(message, state=State.DISPATCHED, dispatches=dispatch_number))
    transition.record_bulk_skip(message.priority)
    transition.emit(
        Dispatch(
            id=message.id,
            account=account,
            dispatch_number=dispatch_number,
            timeout_s=transition.policy.dispatch_timeout_s,
            submit_before_s=get_submit_before_s(transition, message),
            chat_id=chat.chat_id if chat else None,
            allow_duplicate=message.allow_duplicate,
            generation=message.generation,
            changed_whatsapp_id=message.change.whatsapp_id if message.change else None,
            was_claimed=message.was_claimed,
            accepted_offset=message.accepted_offset,
        )
    )
    in_flight = InFlight(
        id=message.id,
        account=account,
        dispatch_number=dispatch_number,
        since_s=transition.append_s,
        deadline_s=transition.append_s + transition.policy.dispatch_timeout_s,
        is_in_doubt=message.pinned_to is not None,
        has_chat=chat is not None,
        allow_duplicate=message.allow_duplicate,
        accepted_offset=message.accepted_offset,
    )
    return transition.update_phone(in_flight=in_flight, account=account, timer_at_s=0.0)


def _add_wait(transition: Transition, blocked: _Blocked) -> Message:
    """What is closed to the phone opens at a time, so the message does not wait for its slots."""
    message, choice, closed = blocked.message, blocked.choice, blocked.closed
    reason, account = choice.blocked_reason, choice.required_account
    assert reason is not None, "a message that has an account does not wait"
    closed_accounts = closed.open_times_s.keys() - closed.without_new_chats
    wait = Wait(
        reason=reason,
        account=account,
        priority_rank=PRIORITIES.index(message.priority),
        closed_accounts=tuple(sorted(closed_accounts | blocked.held_accounts)),
        without_new_chats=tuple(sorted(closed.without_new_chats)),
        is_in_doubt=message.pinned_to is not None,
    )
    transition.update_phone(waits=(*transition.phone.waits, wait))
    due_at_s = closed.next_open_s(account) if reason == "no_account" else 0.0
    return transition.publish_queued(message, reason, due_at_s)


def _set_timer(transition: Transition, heads: list[Message], times_s: list[float]) -> Phone:
    """The phone is woken at the first of these times, when quiet hours end, or when a head is to be given up."""
    times_s = [
        *times_s,
        transition.phone.quiet_until_s,
        *(_get_give_up_at_s(transition, head) for head in heads),
    ]
    future_times_s = [time_s for time_s in times_s if time_s > transition.now_s]
    return transition.update_phone(timer_at_s=min(future_times_s, default=0.0))


# -- giving up


def _give_up_heads(transition: Transition, accounts: AccountCapacities) -> bool:
    """Complete the heads that will not be sent; False if there may be more of them."""
    for _ in range(MAX_GIVEN_UP_PER_EVENT):
        heads = transition.get_heads()
        head = next((head for head in heads if _must_give_up(transition, head, accounts)), None)
        if head is None:
            return True
        _give_up(transition, head, accounts)
    return False


def _must_give_up(transition: Transition, head: Message, accounts: AccountCapacities) -> bool:
    if _has_no_account(head, accounts):
        return True
    chat = _get_valid_chat(transition)
    is_not_on_whatsapp = chat is not None and chat.chat_id is None
    if _is_ended_by_quiet_hours(transition, head) or _is_rejected(transition, head):
        return True
    return is_not_on_whatsapp or _get_give_up_at_s(transition, head) <= transition.now_s


def _is_ended_by_quiet_hours(transition: Transition, head: Message) -> bool:
    """They do not end before its expiry, or not at all."""
    quiet_until_s = get_quiet_until_s(transition, head)
    return quiet_until_s > 0 and (is_expiring(head, quiet_until_s) or math.isinf(quiet_until_s))


def _get_give_up_at_s(transition: Transition, head: Message) -> float:
    """A message with an attempt in doubt does not expire: that would say that nothing was sent."""
    if head.pinned_to is not None:
        return _get_doubt_began_s(transition, head) + transition.policy.unknown_after_s
    return head.expires_at_s or float("inf")


def _get_doubt_began_s(transition: Transition, head: Message) -> float:
    """The time for which it was held back does not count: nothing sends it meanwhile, and at the end of, for
    example, a time lock it is submitted again. `unknown` would say less than what is known.

    It counts from its `expires_at` on, because nothing is submitted then; and always long before its claim
    is forgotten, so an account that is held back again and again does not keep it for ever.
    """
    latest_s = head.in_doubt_since_s + transition.policy.idempotency_window_s / 2
    held_back_until_s = min(head.held_back_until_s, latest_s, head.expires_at_s or float("inf"))
    return max(head.in_doubt_since_s, held_back_until_s)


def _is_rejected(transition: Transition, head: Message) -> bool:
    """Its recipient has opted out. One in doubt is reconciled all the same."""
    return head.pinned_to is None and transition.is_unwanted(head)


def _has_no_account(head: Message, accounts: AccountCapacities) -> bool:
    """It requires an account that a person has removed. One in doubt waits for that account all the same."""
    return head.pinned_to is None and is_removed(head.account, accounts)


def _give_up(transition: Transition, head: Message, accounts: AccountCapacities) -> Message:
    if head.pinned_to is not None:
        return _give_up_in_doubt(transition, head, head.pinned_to)
    if head.expires_at_s and head.expires_at_s <= transition.now_s:
        return transition.complete(head, State.EXPIRED, attempt=head.attempts)
    if _is_rejected(transition, head):
        return consent.reject(transition, head)
    if _has_no_account(head, accounts):
        error = Error("unknown_account", f"the account {head.account} was removed")
        return transition.complete_with_dead_letter(head, State.FAILED, error)
    if _is_ended_by_quiet_hours(transition, head):
        if is_expiring(head, get_quiet_until_s(transition, head)):
            return transition.complete(head, State.EXPIRED, attempt=head.attempts)
        error = Error("no_sending_hours", "in no hour of a week all its time zones are awake")
        return transition.complete_with_dead_letter(head, State.FAILED, error)
    error = Error("recipient_not_on_whatsapp", "WhatsApp answered this at the last look-up")
    return transition.complete_with_dead_letter(head, State.FAILED, error)


def _give_up_in_doubt(transition: Transition, head: Message, account: str) -> Message:
    """It may have arrived, so it counts against the limit."""
    detail = f"account {account} could not find out in time whether its attempt was sent"
    transition.record_send_time()
    return transition.complete_with_dead_letter(
        replace(head, attempts=head.attempts + 1),
        State.UNKNOWN,
        Error("outcome_unknown", detail),
        outcome="unknown",
        account=account,
    )


def _get_valid_chat(transition: Transition) -> Chat | None:
    """What WhatsApp answered about the number, unless that is out of date. A group is its own chat."""
    if is_group(transition.phone.phone):
        return Chat(chat_id=transition.phone.phone, valid_until_s=math.inf)
    chat = transition.phone.chat
    return chat if chat is not None and chat.valid_until_s > transition.now_s else None
