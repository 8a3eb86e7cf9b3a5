"""Turns what the page reports into the driver's session, and passes on receipts and messages.

Keeps the profile's link up to date. Nothing here may call the page or block.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from streams.whatsapp.driver import AckCounts, Phase, Received, SessionState
from streams.whatsapp.reasons import STORAGE_REASONS, describe_reason
from streams.whatsapp.web import answers
from streams.whatsapp.web.browser.profile import Profile
from streams.whatsapp.web.link_history import LinkHistory
from streams.whatsapp.web.session import PageBan, PageState, PhaseInfo, derive_phase

log = logging.getLogger(__name__)

_SAME_END_S = 2.0  # two measurements of the end of one ban differ by less


class Ban(NamedTuple):
    """WhatsApp has banned the account until `until_s` (epoch); None: it does not say until when."""

    reason: str
    until_s: float | None


class SessionTracker:
    """The session of one profile, and its watchers. The `PageObserver` of the page supervisor."""

    def __init__(
        self,
        profile: Profile,
        min_free_disk_mb: int = 0,
        *,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._profile = profile
        self._now_s = now_s
        self._min_free_disk_mb = min_free_disk_mb
        self._links = LinkHistory(profile)
        self._ban: Ban | None = None
        self._session = SessionState(Phase.STARTING, since_s=now_s())
        self._ack_counts = AckCounts()
        self._watchers: set[asyncio.Queue[SessionState]] = set()
        self._incoming: asyncio.Queue[Received | None] = asyncio.Queue()

    # -- the life of a browser

    def start(self) -> None:
        """A browser is about to be started on the profile."""
        self._incoming = asyncio.Queue()
        self._links.start()
        link = self._profile.load_link()
        self._publish(SessionState(Phase.STARTING, phone=link.phone, link=link.id))

    def stop(self, reason: str | None) -> None:
        """The browser has ended. Every watcher ends with this."""
        session = self._session
        stopped = SessionState(
            Phase.STOPPED, phone=session.phone, link=session.link, degraded=session.degraded
        )
        self._publish(replace(stopped, reason=reason))
        self._incoming.put_nowait(None)

    # -- watchers

    @property
    def session(self) -> SessionState:
        """The current state."""
        return self._session

    async def watch_session(self) -> AsyncIterator[SessionState]:
        """The current state, then each new one, until `stop`."""
        queue: asyncio.Queue[SessionState] = asyncio.Queue()
        queue.put_nowait(self._session)
        self._watchers.add(queue)
        try:
            while True:
                session = await queue.get()
                yield session
                if session.phase is Phase.STOPPED:
                    return
        finally:
            self._watchers.discard(queue)

    async def watch_incoming(self) -> AsyncIterator[Received]:
        """As `Driver.watch_incoming`."""
        while True:
            incoming = await self._incoming.get()
            if incoming is None:
                return
            yield incoming

    def _publish(self, session: SessionState) -> None:
        previous = self._session
        since_s = previous.since_s if session.phase is previous.phase else self._now_s()
        session = replace(session, since_s=since_s)
        if session == previous:
            return
        self._session = session
        if session.reason and session.reason != previous.reason:
            log.warning("the session is %s: %s", session.phase, describe_reason(session.reason))
        for queue in self._watchers:
            queue.put_nowait(session)

    # -- what the page and the supervisor report

    def on_state(self, state: PageState) -> None:
        """The page is in this state."""
        self._update_link(state)
        info = self._remember_ban(state, derive_phase(state))
        if info.phase is Phase.STARTING and self._is_logged_out():
            # Until the next code is shown.
            info = replace(info, phase=Phase.LOGGED_OUT, reason=self._session.reason)
        elif info.phase is Phase.STARTING and self._session.phase is not Phase.STARTING:
            info = replace(info, phase=Phase.RECONNECTING)
        self._publish_state(state, info)

    def on_page_replacement(self, state: PageState) -> None:
        """The page is linked; it is replaced before it counts as ready."""
        self._update_link(state)
        self._publish_state(state, PhaseInfo(Phase.SYNCING))

    def on_page_lost(self, reason: str) -> None:
        """There is no usable page; a new one is being opened."""
        link = self._profile.load_link()
        if self._is_logged_out():
            return  # the page reloads itself after a logout: that is not the news
        phase = Phase.RECONNECTING if link.phone else Phase.STARTING
        info = self._remember_ban(PageState(), PhaseInfo(phase, reason))
        self._publish(
            SessionState(
                info.phase,
                phone=link.phone,
                link=link.id,
                reason=info.reason,
                until_s=info.until_s,
                degraded=self._find_disk_warning(),
            )
        )

    @property
    def ack_counts(self) -> AckCounts:
        """The acks that the page has reported since the start."""
        return self._ack_counts

    def on_event(self, event: Mapping[str, Any]) -> None:
        """The adapter reported a receipt, a late refusal or a message."""
        self._ack_counts = answers.count_ack(self._ack_counts, event)
        incoming = answers.decode_event(event, self._now_s())
        if incoming is not None:
            self._incoming.put_nowait(incoming)

    def set_pairing_code(self, code: str) -> None:
        """The page shows this pairing code."""
        self._publish(replace(self._session, phase=Phase.LINKING, pairing_code=code))

    # -- the session's history

    def _remember_ban(self, state: PageState, info: PhaseInfo) -> PhaseInfo:
        """The page forgets a ban when it is reloaded, and learns of it again with its next login.

        So a ban lasts until its end, even if the session is connected again before: to send before it
        would be the next breach. One whose end is not known lasts until the session is connected again;
        then the sender waits for a person.
        """
        ban = self._date_ban(state.ban) or self._ban
        has_ended = state.ban is None and (ban is None or _is_over(ban, info.phase, self._now_s()))
        is_linking = info.phase in {Phase.LINKING, Phase.LOGGED_OUT}
        self._ban = None if has_ended or is_linking else ban
        if self._ban is None:
            return info
        return PhaseInfo(Phase.RESTRICTED, self._ban.reason, self._ban.until_s)

    def _date_ban(self, page_ban: PageBan | None) -> Ban | None:
        """The ban with its end. The remaining time is measured again each time: the end stays the same."""
        if page_ban is None:
            return None
        until_s = None if page_ban.remaining_s is None else self._now_s() + page_ban.remaining_s
        ban, previous = Ban(page_ban.reason, until_s), self._ban
        if previous is None or previous.reason != ban.reason:
            return ban
        if previous.until_s is None or ban.until_s is None:
            return previous if previous == ban else ban
        return previous if abs(previous.until_s - ban.until_s) < _SAME_END_S else ban

    def _is_logged_out(self) -> bool:
        """Whether the page has logged out. One whose storage failed may have kept its login."""
        session = self._session
        return session.phase is Phase.LOGGED_OUT and session.reason not in STORAGE_REASONS

    def _update_link(self, state: PageState) -> None:
        """Publish the end of a link, so that it is seen before the next code."""
        ended = self._links.update(state)
        if ended is not None:
            link = self._profile.load_link()
            reason = self._links.logout_reason
            self._publish(
                SessionState(Phase.LOGGED_OUT, phone=ended.phone, link=link.id, reason=reason)
            )

    def _publish_state(self, state: PageState, info: PhaseInfo) -> None:
        link = self._profile.load_link()
        reason = info.reason
        if info.phase in {Phase.LINKING, Phase.LOGGED_OUT} and not state.storage_broken:
            reason = self._links.logout_reason or reason
        self._publish(
            SessionState(
                info.phase,
                phone=None if info.phase is Phase.LINKING else link.phone,
                qr=state.qr if info.phase is Phase.LINKING else None,
                pairing_code=state.pairing_code,
                reason=reason,
                link=link.id,
                degraded=(*state.degraded, *self._find_disk_warning()),
                until_s=info.until_s,
                progress=info.progress,
                time_lock=state.time_lock,
                new_chat_quota=state.new_chat_quota,
            )
        )

    def _find_disk_warning(self) -> tuple[str, ...]:
        """A warning while there is less than twice the space without which the profile is not opened."""
        is_low = self._profile.measure_free_disk_mb() < 2 * self._min_free_disk_mb
        return ("disk_nearly_full",) if is_low else ()


def _is_over(ban: Ban, phase: Phase, now_s: float) -> bool:
    """Whether a ban that the page does not show is over."""
    return phase is Phase.READY if ban.until_s is None else ban.until_s <= now_s
