"""Turns what the page reports into the driver's session, and passes on receipts and messages.

Keeps the profile's link up to date. Nothing here may call the page or block.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from streams.whatsapp.driver import AckCounts, IncomingMessage, Phase, Receipt, SessionState
from streams.whatsapp.web import answers
from streams.whatsapp.web.profile import Profile
from streams.whatsapp.web.session import PageState, derive_phase, is_unlinked


class SessionTracker:
    """The session of one profile, and its watchers. The `PageObserver` of the page supervisor."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._session = SessionState(Phase.STARTING, since_s=time.time())
        self._ack_counts = AckCounts()
        self._watchers: set[asyncio.Queue[SessionState]] = set()
        self._incoming: asyncio.Queue[Receipt | IncomingMessage | None] = asyncio.Queue()

    # -- the life of a browser

    def start(self) -> None:
        """A browser is about to be started on the profile."""
        self._incoming = asyncio.Queue()
        link = self._profile.load_link()
        self._publish(SessionState(Phase.STARTING, phone=link.phone, link=link.id))

    def stop(self, reason: str | None) -> None:
        """The browser has ended. Every watcher ends with this."""
        self._publish(
            replace(self._session, phase=Phase.STOPPED, reason=reason, qr=None, pairing_code=None)
        )
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

    async def watch_incoming(self) -> AsyncIterator[Receipt | IncomingMessage]:
        """Receipts and messages, for one reader, until `stop`."""
        while True:
            incoming = await self._incoming.get()
            if incoming is None:
                return
            yield incoming

    def _publish(self, session: SessionState) -> None:
        previous = self._session
        since_s = previous.since_s if session.phase is previous.phase else time.time()
        session = replace(session, since_s=since_s)
        if session == previous:
            return
        self._session = session
        for queue in self._watchers:
            queue.put_nowait(session)

    # -- what the page and the supervisor report

    def on_state(self, state: PageState) -> None:
        """The page is in this state."""
        self._update_link(state)
        phase, reason = derive_phase(state)
        if phase is Phase.STARTING and self._session.phase is not Phase.STARTING:
            phase = Phase.RECONNECTING  # between a logout and the next code
        self._publish_state(state, phase, reason)

    def on_page_replacement(self, state: PageState) -> None:
        """The page is linked; it is replaced before it counts as ready."""
        self._update_link(state)
        self._publish_state(state, Phase.SYNCING, None)

    def on_page_lost(self, reason: str) -> None:
        """There is no usable page; a new one is being opened."""
        link = self._profile.load_link()
        phase = Phase.RECONNECTING if link.phone else Phase.STARTING
        self._publish(SessionState(phase, phone=link.phone, link=link.id, reason=reason))

    @property
    def ack_counts(self) -> AckCounts:
        """The acks that the page has reported since the start."""
        return self._ack_counts

    def on_event(self, event: Mapping[str, Any]) -> None:
        """The adapter reported a receipt or a message."""
        self._ack_counts = answers.count_ack(self._ack_counts, event)
        incoming = answers.decode_event(event)
        if incoming is not None:
            self._incoming.put_nowait(incoming)

    def set_pairing_code(self, code: str) -> None:
        """The page shows this pairing code."""
        self._publish(replace(self._session, phase=Phase.LINKING, pairing_code=code))

    def _update_link(self, state: PageState) -> None:
        """Create a new link when the login is gone, and again when the profile is linked."""
        link = self._profile.load_link()
        if is_unlinked(state) and link.phone is not None:
            link = self._profile.create_link(None)
            self._publish(SessionState(Phase.LOGGED_OUT, link=link.id, reason="logged_out"))
        elif state.authenticated and state.phone and state.phone != link.phone:
            self._profile.create_link(state.phone)

    def _publish_state(self, state: PageState, phase: Phase, reason: str | None) -> None:
        link = self._profile.load_link()
        self._publish(
            SessionState(
                phase,
                phone=link.phone,
                qr=state.qr,
                pairing_code=state.pairing_code,
                reason=reason,
                link=link.id,
                degraded=state.degraded,
            )
        )
