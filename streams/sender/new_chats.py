"""Whether the account may write to people who never wrote to it, from its restrictions and its session.

Its times are those of WhatsApp's server, and are compared with the broker's. What forbids it is decided in
streams/domain/accounts. Here the limits that the session tells are kept,
and the new chats are counted, because WhatsApp's own count comes late. Only the page knows who is a
stranger: it is asked by a submission that may open no chat.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Final, TypeAlias

from streams.domain.accounts import new_chats as stored
from streams.domain.accounts.new_chats import (
    NewChatBlock,
    NewChatCount,
    NewChatLimits,
    Quota,
    keep_unreadable,
)
from streams.domain.accounts.restriction import RESTRICTION_DURATION_S
from streams.domain.errors import error_for
from streams.sender.claim_store import ClaimStore
from streams.sender.pace.account_pace import AccountPace
from streams.sender.restrictions import RestrictionStore
from streams.whatsapp.driver import (
    InDoubt,
    NotSubmitted,
    Phase,
    SessionState,
    Submission,
    SubmitResult,
)

Submit: TypeAlias = Callable[[Submission], Awaitable[SubmitResult]]

KEY: Final = b"new-chats"  # no WhatsApp id begins like this
# A message to a stranger is held back for this long if nothing tells when a new chat is allowed again.
UNKNOWN_END_S: Final = 3600.0
WARM_UP: Final = "warm_up"  # the reason of an account that has no new recipients left
_SYMBOL_GROUP: Final = "restrictions/"  # of the names in `SessionState.degraded`


class NewChatGuard:
    """Knows what the ready session told last; `on_change` is called when new chats are allowed no more."""

    def __init__(
        self,
        claim_store: ClaimStore,
        restrictions: RestrictionStore,
        on_change: Callable[[], None],
        now_s: Callable[[], float],
        pace: AccountPace,
    ) -> None:
        self._pace = pace
        self._claim_store = claim_store
        self._restrictions = restrictions
        self._on_change = on_change
        self._now_s = now_s
        self._limits = NewChatLimits()
        self._link: str | None = None
        self._count = NewChatCount()

    def load(self) -> None:
        """Read the count from the table, once the table is recovered."""
        data = self._claim_store.read(KEY)
        if data is not None:
            self._count = stored.decode(data)

    def update_session(self, session: SessionState) -> None:
        """The session is now in this state. Only a ready one knows its limits."""
        if session.phase is not Phase.READY:
            return
        limits, now_s = _read_limits(session), self._now_s()
        is_readable = not any(name.startswith(_SYMBOL_GROUP) for name in session.degraded)
        if not is_readable and session.link == self._link:
            # An update of the page must not look like the end of a time lock.
            limits = keep_unreadable(limits, self._limits, now_s, RESTRICTION_DURATION_S)
        self._limits, self._link = limits, session.link
        if limits.quota is not None:
            self._set_count(self._count.with_report(limits.quota, session.link))
        self._restrictions.update_limits(limits, session.link, now_s, is_readable=is_readable)

    def get_block(self, now_s: float) -> NewChatBlock | None:
        """Why the account may open no new chat now, and until when; of two reasons the longer one."""
        return _longest([*self._list_blocks_by_whatsapp(now_s), self._block_by_limit()])

    def _list_blocks_by_whatsapp(self, now_s: float) -> list[NewChatBlock | None]:
        restriction = self._restrictions.get_active("new_chats", self._link, now_s)
        return [
            stored.block_by_limits(self._limits, self._count, now_s),
            NewChatBlock(restriction.code, restriction.until_s) if restriction else None,
        ]

    def _block_by_limit(self) -> NewChatBlock | None:
        """The limit of new recipients is ours: somebody whom the account wrote to before gets more messages."""
        limits = self._pace.get_limits()
        until_s = self._pace.recipients.next_allowed_s(limits.strangers.per_day)
        if until_s is None:
            return None
        return NewChatBlock(WARM_UP, min(until_s, self._now_s() + limits.changes_in_s))

    def get_quota(self) -> Quota | None:
        """The quota with our own count in it; None if WhatsApp told none."""
        quota = self._limits.quota
        if quota is None:
            return None
        return Quota(
            quota.total, max(quota.used, self._count.used), quota.resets_at_s, quota.is_used_up
        )

    @property
    def time_lock_until_s(self) -> float | None:
        """The end of WhatsApp's time lock; 0 if it is not known, None if there is no lock."""
        return self._limits.time_lock_until_s if self._limits.is_timelocked else None

    # -- submitting

    async def submit(self, submit: Submit, submission: Submission) -> SubmitResult:
        """Submit; to a stranger only while the account may open new chats, each of which is counted."""
        recipients = self._pace.recipients
        is_known = recipients.is_known(submission.chat_id)
        block = self._get_block_for(is_known)
        is_allowed = block is None
        is_recorded = self._pace.get_limits().is_counting_recipients and not is_known
        is_counted = self._limits.quota is not None
        is_open = is_allowed and not is_counted and not is_recorded
        result = await submit(replace(submission, is_new_chat_allowed=is_open))
        if not isinstance(result, NotSubmitted | InDoubt):
            return result
        if not error_for(result.code).is_new_chat_refused:
            return result
        if is_open or not is_allowed:
            return replace(result, until_s=result.until_s or self._get_held_until_s(block))
        # Counted before it is submitted: another message may be submitted before its ack comes.
        self._count_message(submission.chat_id)
        if is_recorded:
            await recipients.record(submission.chat_id)
            self._on_change()
        return await submit(replace(submission, is_new_chat_allowed=True))

    def _get_block_for(self, is_known: bool) -> NewChatBlock | None:
        """Why this stranger gets no message now. `is_known`: the account wrote to them before."""
        now_s = self._now_s()
        if is_known:
            return _longest(self._list_blocks_by_whatsapp(now_s))
        return self.get_block(now_s)

    def _get_held_until_s(self, block: NewChatBlock | None) -> float:
        """Until when a message to a stranger is held back."""
        now_s = self._now_s()
        return block.until_s if block and block.until_s > now_s else now_s + UNKNOWN_END_S

    def _count_message(self, chat_id: str) -> None:
        was_allowed = self.get_block(self._now_s()) is None
        self._set_count(self._count.with_message(chat_id))
        if was_allowed and self.get_block(self._now_s()) is not None:
            self._on_change()

    def _set_count(self, count: NewChatCount) -> None:
        if count != self._count:
            self._count = count
            self._claim_store.write_buffered(KEY, stored.encode(count))


def _longest(blocks: Iterable[NewChatBlock | None]) -> NewChatBlock | None:
    present = [block for block in blocks if block is not None]
    return max(present, key=lambda block: block.until_s or float("inf"), default=None)


def _read_limits(session: SessionState) -> NewChatLimits:
    """The driver's values as the domain's."""
    lock, quota = session.time_lock, session.new_chat_quota
    return NewChatLimits(
        is_timelocked=lock is not None,
        time_lock_until_s=(lock.until_s if lock else None) or 0.0,
        quota=None
        if quota is None
        else Quota(quota.total, quota.used, quota.resets_at_s or 0.0, quota.is_used_up),
    )
