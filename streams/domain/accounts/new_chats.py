"""How many people who never wrote to the account it may still write to. No clock and no I/O.

WhatsApp limits that in two ways: a time lock forbids it until its end, and a quota counts it. The quota
is not used up completely: the account's own phone opens chats too, and a message that WhatsApp refuses
has failed for good, while one that is held back can wait or use another account. The row is stored: a
field may be added with a default, and no field is renamed. Times are epoch seconds.
"""

from typing import Final
from zlib import crc32

import msgspec
from msgspec.structs import replace

from streams.domain.stored import Codec, Stored

RESERVE_DIVISOR: Final = 20  # of the quota, a twentieth is left unused


class Quota(msgspec.Struct, frozen=True):
    """The quota of new chats, as WhatsApp reported it last."""

    total: int
    used: int
    resets_at_s: float = 0.0  # 0: not known
    is_used_up: bool = False


class NewChatLimits(msgspec.Struct, frozen=True):
    """What the session tells of new chats. `time_lock_until_s` 0: its end is not known."""

    is_timelocked: bool = False
    time_lock_until_s: float = 0.0
    quota: Quota | None = None


class NewChatBlock(msgspec.Struct, frozen=True):
    """Why the account may open no new chat now, and until when; 0: not known."""

    code: str
    until_s: float = 0.0


class NewChatCount(Stored, frozen=True):
    """How much of the quota is used, WhatsApp's count and ours together.

    WhatsApp counts chats, not messages (source: the property
    `wa_individual_new_chat_thread_capping_limit`), so the chats that were counted are remembered.
    """

    used: int = 0
    chats: tuple[int, ...] = ()  # checksums of their ids
    resets_at_s: float = 0.0  # of the quota that was counted
    link: str | None = None
    reported: int = 0  # the most that WhatsApp has reported of this cycle

    def with_report(self, quota: Quota, link: str | None) -> "NewChatCount":
        """The count after a report. Within one cycle it never goes back: a report may be old.

        If nothing tells when a cycle ends, a report of less than the one before begins a new one.
        """
        is_same_cycle = (self.resets_at_s, self.link) == (quota.resets_at_s, link)
        if is_same_cycle and (quota.resets_at_s or quota.used >= self.reported):
            reported = max(self.reported, quota.used)
            return replace(self, used=max(self.used, quota.used), reported=reported)
        return NewChatCount(
            used=quota.used, resets_at_s=quota.resets_at_s, link=link, reported=quota.used
        )

    def with_message(self, chat_id: str) -> "NewChatCount":
        """The count after a message to a stranger that was sent, or may have been."""
        checksum = crc32(chat_id.encode())
        if checksum in self.chats:
            return self
        return replace(self, used=self.used + 1, chats=(*self.chats, checksum))


def keep_unreadable(
    limits: NewChatLimits, previous: NewChatLimits, now_s: float, max_s: float
) -> NewChatLimits:
    """The limits of a session that cannot read them all: what it does not tell is as it was before.

    A time lock without an end is kept for `max_s`, and a quota until its reset.
    """
    lock_until_s = previous.time_lock_until_s or now_s + max_s
    if not limits.is_timelocked and previous.is_timelocked and now_s < lock_until_s:
        limits = replace(limits, is_timelocked=True, time_lock_until_s=lock_until_s)
    return limits if limits.quota is not None else replace(limits, quota=previous.quota)


def block_by_limits(
    limits: NewChatLimits, count: NewChatCount, now_s: float
) -> NewChatBlock | None:
    """What forbids a new chat now. A time lock counts for as long as the page shows it, as in the page."""
    if limits.is_timelocked:
        return NewChatBlock("reachout_timelocked", limits.time_lock_until_s)
    if limits.quota is not None and not has_quota_left(limits.quota, count, now_s):
        return NewChatBlock("new_chats_capped", limits.quota.resets_at_s)
    return None


def reserve(quota: Quota) -> int:
    """How much of the quota stays unused."""
    return max(1, -(-quota.total // RESERVE_DIVISOR))


def has_quota_left(quota: Quota | None, count: NewChatCount, now_s: float) -> bool:
    """Whether one more new chat leaves the reserve untouched. A quota whose reset has passed is void."""
    if quota is None or (quota.resets_at_s and now_s >= quota.resets_at_s):
        return True
    if quota.is_used_up:
        return False
    return max(quota.used, count.used) + reserve(quota) < quota.total


_codec: Codec[NewChatCount] = Codec(NewChatCount)


def encode(count: NewChatCount) -> bytes:
    """The row as it is stored."""
    return _codec.encode(count)


def decode(data: bytes) -> NewChatCount:
    """The row.

    Raises:
        msgspec.DecodeError: the bytes are not such a row.
    """
    return _codec.decode(data)
