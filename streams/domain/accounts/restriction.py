"""A restriction of an account by WhatsApp: what it forbids, when it begins and when it is over. Pure.

    refusal (error code)              scope        until
    --------------------------------  -----------  ------------------------------------------------
    reachout_timelocked               new_chats    the end of the session's time lock, else 24 h
    new_chats_capped                  new_chats    the reset of the session's quota, else 24 h
    account_rate_limited              everything   60 s, doubled by each repetition, at most 1 h
    any other of class `restricted`   everything   24 h

If most recipients get nothing (deliveries.py), new chats are forbidden for 24 h (`UNDELIVERED`): our own alarm, of
which WhatsApp tells nothing.

A ban that the session shows (`BANS`) forbids everything until the end that WhatsApp tells. If it tells none, a person
ends it: a connection proves nothing, because WhatsApp lets a banned account connect now and then.

A restriction ends at its time, or when a person resumes the account or links it again. One of new chats also ends
when the session showed WhatsApp's own lock, and shows it no more. Several may be in force at a time, one of each
code. The row is stored: a field may be added with a default, and no field is renamed. Times are epoch seconds: the
broker's, but the end of WhatsApp's own lock has the time of WhatsApp's server. A stored time that the broker's clock
has not reached after it was set back is corrected when it is read (`clamp`).
"""

from typing import Final, Literal, TypeAlias

from msgspec.structs import replace

from streams.domain.accounts.new_chats import NewChatLimits
from streams.domain.backoff import Backoff
from streams.domain.errors import CODES, Error, ErrorClass
from streams.domain.stored import Codec, Stored

RESTRICTION_DURATION_S: Final = 86_400.0
PAUSE_RESET_S: Final = 3600.0  # after this long without a refusal, pauses are short again
_PAUSES: Final = Backoff(base_delay_s=60.0, max_delay_s=3600.0)

Scope: TypeAlias = Literal["everything", "new_chats"]


class Restriction(Stored, frozen=True):
    """WhatsApp refused a message of the account because of what the account did."""

    code: str
    since_s: float
    until_s: float
    link: str | None = None  # a new link is a new beginning
    scope: Scope = "everything"
    repetitions: int = 0  # of a pause, in a row
    is_shown: bool = False  # the session has shown WhatsApp's own lock since
    is_lifted: bool = False  # by a person
    has_no_end: bool = False  # nobody knows when it ends: until a person resumes the account

    def is_in_force(self, link: str | None, now_s: float) -> bool:
        """Whether it forbids the account something now, under this link."""
        return self.link == link and (self.has_no_end or now_s < self.until_s)

    @property
    def is_pause(self) -> bool:
        """Whether the account is to send more slowly, and is otherwise in order."""
        return Error(self.code).is_account_pause

    @property
    def denial(self) -> Error:
        """The error of a message that is held back by it."""
        return Error(self.code) if self.is_pause else Error("account_restricted", self.code)


# What a session says of an account that WhatsApp has banned. `replaced` is not one: another page has the session.
BANS: Final = ("temporarily_banned", "tos_block", "proxy_block")
UNDELIVERED: Final = "many_undelivered"
# The codes of which an account may have a restriction.
RESTRICTION_CODES: Final = tuple(
    code
    for code in CODES
    if Error(code).error_class is ErrorClass.RESTRICTED or Error(code).is_account_pause
)


def is_about_account(error: Error) -> bool:
    """Whether this refusal by the server means a restriction, and not only the message."""
    return error.code in RESTRICTION_CODES


def restriction_after(
    error: Error,
    link: str | None,
    now_s: float,
    *,
    limits: NewChatLimits,
    previous: Restriction | None,
) -> Restriction:
    """The restriction that this refusal means. `previous`: the account's last one of this code."""
    if error.is_account_pause:
        return _next_pause(error.code, link, now_s, previous)
    restriction = Restriction(
        code=error.code, since_s=now_s, until_s=now_s + RESTRICTION_DURATION_S, link=link
    )
    if not error.is_about_new_chats:
        return restriction
    restriction = replace(restriction, scope="new_chats")
    shown_until_s = _shown_until_s(error, limits)
    if shown_until_s is None:
        return restriction
    until_s = shown_until_s if shown_until_s > now_s else restriction.until_s
    return replace(restriction, until_s=until_s, is_shown=True)


def restriction_for_undelivered(link: str | None, now_s: float) -> Restriction:
    """The restriction of an account whose messages do not arrive."""
    until_s = now_s + RESTRICTION_DURATION_S
    return Restriction(
        code=UNDELIVERED, since_s=now_s, until_s=until_s, link=link, scope="new_chats"
    )


def restriction_of_ban(
    reason: str | None,
    *,
    since_s: float,
    until_s: float | None,
    link: str | None,
    previous: Restriction | None,
) -> Restriction | None:
    """The restriction that a session means which is banned since then; None: it is not, or says nothing new.

    `previous`: the account's last one of this code. One that a person has lifted does not begin again because the
    session shows the same ban still.
    """
    if reason not in BANS:
        return None
    restriction = Restriction(
        code=reason,
        since_s=since_s,
        until_s=until_s or since_s,
        link=link,
        is_shown=True,
        has_no_end=until_s is None,
    )
    if previous is None or (previous.link, previous.since_s) != (link, since_s):
        return restriction
    return None if previous.is_lifted or previous == restriction else restriction


def lift(restriction: Restriction, at_s: float) -> Restriction:
    """The restriction after a person has resumed the account at this time."""
    return replace(restriction, until_s=at_s, has_no_end=False, is_lifted=True)


def keep_under(restriction: Restriction, link: str | None, now_s: float) -> Restriction:
    """The restriction under another link of the same account that nobody has made since.

    A standby has a link of its own. Without this, it would send what WhatsApp has forbidden the account under the first
    link.
    """
    return (
        replace(restriction, link=link)
        if restriction.is_in_force(restriction.link, now_s)
        else restriction
    )


def clamp(restriction: Restriction, now_s: float) -> Restriction:
    """The restriction as it can be now: it has begun, and lasts no longer than its rule allows.

    The end of WhatsApp's own lock is WhatsApp's, and has no rule here.
    """
    if restriction.is_shown:
        return restriction
    max_s = _PAUSES.max_delay_s if restriction.is_pause else RESTRICTION_DURATION_S
    since_s = min(restriction.since_s, now_s)
    return replace(restriction, since_s=since_s, until_s=min(restriction.until_s, now_s + max_s))


def after_session(restriction: Restriction, limits: NewChatLimits, now_s: float) -> Restriction:
    """The restriction after the ready session has told its limits; over at `now_s` if it is lifted."""
    is_by_whatsapp = restriction.scope == "new_chats" and restriction.code != UNDELIVERED
    if not is_by_whatsapp or now_s >= restriction.until_s:
        return restriction
    shown_until_s = _shown_until_s(Error(restriction.code), limits)
    if shown_until_s is None:
        return replace(restriction, until_s=now_s) if restriction.is_shown else restriction
    until_s = shown_until_s if shown_until_s > now_s else restriction.until_s
    return replace(restriction, until_s=until_s, is_shown=True)


def _next_pause(
    code: str, link: str | None, now_s: float, previous: Restriction | None
) -> Restriction:
    is_repeated = previous is not None and now_s < previous.until_s + PAUSE_RESET_S
    repetitions = previous.repetitions + 1 if previous is not None and is_repeated else 0
    return Restriction(
        code=code,
        since_s=now_s,
        until_s=now_s + _PAUSES.delay_s(retry=repetitions),
        link=link,
        repetitions=repetitions,
    )


def _shown_until_s(error: Error, limits: NewChatLimits) -> float | None:
    """The end of WhatsApp's own lock, as the session shows it; 0: not known; None: there is no lock."""
    if error.is_time_lock:
        return limits.time_lock_until_s if limits.is_timelocked else None
    quota = limits.quota
    return quota.resets_at_s if quota is not None and quota.is_used_up else None


_codec: Codec[Restriction] = Codec(Restriction)


def encode(restriction: Restriction) -> bytes:
    """The row as it is stored."""
    return _codec.encode(restriction)


def decode(data: bytes) -> Restriction:
    """The row.

    Raises:
        msgspec.DecodeError: the bytes are not such a row.
    """
    return _codec.decode(data)
