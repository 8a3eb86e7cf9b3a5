"""The account's restrictions in the table: read after recovery, written when WhatsApp restricts the account.

When a restriction begins and ends is decided in streams/domain/accounts/restriction.py. Because the
rows are durable, a restriction outlives a restart.
"""

import logging
from collections.abc import Callable, Collection
from typing import Final

from msgspec.structs import replace

from streams.contract.timestamps import format_rfc3339
from streams.domain.accounts import restriction as stored
from streams.domain.accounts.new_chats import NewChatLimits
from streams.domain.accounts.requests import AccountRequest
from streams.domain.accounts.restriction import (
    BANS,
    RESTRICTION_CODES,
    UNDELIVERED,
    Restriction,
    Scope,
)
from streams.domain.errors import Error
from streams.sender.claim_store import ClaimStore
from streams.whatsapp.driver import Phase, SessionState

log = logging.getLogger(__name__)

# A message of an account that a person holds back is not worth a try before then. Nobody knows the end.
HELD_RETRY_S: Final = 60.0
KEY: Final = b"restriction"  # no WhatsApp id begins like this


class RestrictionStore:
    """The account's restrictions, one of each code; `on_change` is called when one begins or changes."""

    def __init__(self, claim_store: ClaimStore, on_change: Callable[[], None]) -> None:
        self._claim_store = claim_store
        self._on_change = on_change
        self._restrictions: dict[str, Restriction] = {}
        self._limits = NewChatLimits()
        self._request: AccountRequest | None = None
        self._has_been_unlinked = False  # in this ownership: the next link is new
        self._last_link: str | None = None

    @property
    def request(self) -> AccountRequest | None:
        """The last request of a person; None: there was none."""
        return self._request

    @property
    def held_by(self) -> AccountRequest | None:
        """The request of a person because of which nothing is sent."""
        is_held = self._request is not None and self._request.requested != "active"
        return self._request if is_held else None

    @property
    def restrictions(self) -> Collection[Restriction]:
        """The last one of each code, also of those that have ended."""
        return self._restrictions.values()

    def apply_request(self, request: AccountRequest) -> None:
        """A person requests another state. To resume the account lifts what restricts it since before."""
        self._request = request
        if request.requested == "active":
            for code, restriction in self._restrictions.items():
                is_older = restriction.since_s <= request.at_s
                if is_older and restriction.is_in_force(restriction.link, request.at_s):
                    log.warning("a person lifts the restriction %s", code)
                    self._store(stored.lift(restriction, request.at_s))
        self._on_change()

    def _store(self, restriction: Restriction) -> None:
        self._restrictions[restriction.code] = restriction
        key = _make_key(restriction.code)
        self._claim_store.write_buffered(key, stored.encode(restriction))

    def load(self) -> None:
        """Read them from the table, once the table is recovered. An earlier version had only one row."""
        for key in (KEY, *map(_make_key, (*RESTRICTION_CODES, *BANS, UNDELIVERED))):
            data = self._claim_store.read(key)
            if data is not None:
                restriction = stored.decode(data)
                self._restrictions[restriction.code] = restriction

    def get_active(self, scope: Scope, link: str | None, now_s: float) -> Restriction | None:
        """Of the restrictions that forbid this now, under this link, the one that ends last.

        A time that the broker's clock has not reached is corrected here, for good: once, not each time anew.
        """
        for code, restriction in self._restrictions.items():
            self._restrictions[code] = stored.clamp(restriction, now_s)
        if scope == "everything" and (request := self.held_by) is not None:
            until_s = now_s + HELD_RETRY_S
            return Restriction(
                code=request.requested, since_s=request.at_s, until_s=until_s, link=link
            )
        active = [
            restriction
            for restriction in self._restrictions.values()
            if restriction.scope == scope and restriction.is_in_force(link, now_s)
        ]
        last = max(active, key=lambda each: (each.has_no_end, each.until_s), default=None)
        if last is not None and last.has_no_end:
            return replace(last, until_s=now_s + HELD_RETRY_S)
        return last

    async def restrict(self, error: Error, link: str | None, now_s: float) -> Restriction:
        """WhatsApp refused a message with this error: restrict the account; durable when this returns."""
        restriction = stored.restriction_after(
            error,
            link,
            now_s,
            limits=self._limits,
            previous=self._restrictions.get(error.code),
        )
        await self.begin(restriction)
        return restriction

    async def confirm(self, code: str) -> Restriction:
        """The restriction of this code that has begun before; durable when this returns."""
        restriction = self._restrictions[code]
        await self._claim_store.write(_make_key(code), stored.encode(restriction))
        return restriction

    def get(self, code: str) -> Restriction | None:
        """The last restriction of this code, also if it has ended."""
        return self._restrictions.get(code)

    async def begin(self, restriction: Restriction) -> None:
        """Restrict the account; durable when this returns."""
        log.error(
            "the account is restricted: %s, for %s until %s",
            restriction.code,
            restriction.scope,
            format_rfc3339(restriction.until_s),
        )
        self._restrictions[restriction.code] = restriction
        self._on_change()
        await self._claim_store.write(_make_key(restriction.code), stored.encode(restriction))

    def record_session(self, session: SessionState) -> None:
        """A ban outlives the session that shows it, which is perhaps only connected again."""
        self._follow_link(session)
        if session.phase is not Phase.RESTRICTED:
            return
        restriction = stored.restriction_of_ban(
            session.reason,
            since_s=session.since_s,
            until_s=session.until_s,
            link=session.link,
            previous=self._restrictions.get(session.reason or ""),
        )
        if restriction is not None:
            self._store(restriction)
            self._on_change()

    def _follow_link(self, session: SessionState) -> None:
        """A link that was made now is a new beginning. That of another profile of the account, which was made before,
        is not: what restricts the account goes on under it.
        """
        if session.phase in (Phase.LINKING, Phase.LOGGED_OUT):
            self._has_been_unlinked = True
        if session.phase is not Phase.READY or session.link == self._last_link:
            return
        is_new, self._last_link, self._has_been_unlinked = (
            self._has_been_unlinked,
            session.link,
            False,
        )
        for restriction in () if is_new else list(self._restrictions.values()):
            kept = stored.keep_under(restriction, session.link, session.since_s)
            if kept != restriction:
                log.warning("the restriction %s goes on under another link", kept.code)
                self._store(kept)
                self._on_change()

    def update_limits(
        self, limits: NewChatLimits, link: str | None, now_s: float, *, is_readable: bool
    ) -> None:
        """The ready session tells these limits: they may change the end of a restriction.

        Limits that are not readable lift none: that a lock is not shown says nothing then.
        """
        self._limits = limits
        if not is_readable:
            return
        for code, restriction in self._restrictions.items():
            if not restriction.is_in_force(link, now_s):
                continue
            updated = stored.after_session(restriction, limits, now_s)
            if updated != restriction:
                log.info("the restriction %s ends at %s", code, format_rfc3339(updated.until_s))
                self._restrictions[code] = updated
                self._claim_store.write_buffered(_make_key(code), stored.encode(updated))
                self._on_change()


def _make_key(code: str) -> bytes:
    return KEY + b":" + code.encode()
