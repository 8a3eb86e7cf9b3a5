"""The account's record on `wa.accounts`: published at each change, and regularly as a heartbeat.

Only the owner of the send topic publishes it. `ready` means that a message would be submitted now.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TextIO, cast

import segno

from streams.contract.account import AccountRecord, AccountState
from streams.contract.timestamps import format_rfc3339
from streams.domain.accounts.pacing import Pacer
from streams.sender.restrictions import RestrictionStore
from streams.whatsapp.driver import Phase, SessionState

HEARTBEAT_INTERVAL_S: Final = 10.0


class AccountPublisher:
    """Follows the session and publishes a record at each change, and a heartbeat when nothing changes."""

    def __init__(
        self,
        name: str,
        *,
        owner: str,
        daily_cap: int,
        restrictions: RestrictionStore,
        pacer: Pacer,
        publish: Callable[[AccountRecord], Awaitable[object]],
        now_s: Callable[[], float],
    ) -> None:
        self._name = name
        self._owner = owner
        self._daily_cap = daily_cap
        self._restrictions = restrictions
        self._pacer = pacer
        self._publish = publish
        self._now_s = now_s
        self._session = SessionState(Phase.STARTING, since_s=now_s())
        self._pending_sessions: deque[SessionState] = deque()
        self._change_event = asyncio.Event()

    def update_session(self, session: SessionState) -> None:
        """The session is now in this state. Every phase is published, but only the last state of a phase."""
        if self._pending_sessions and self._pending_sessions[-1].phase is session.phase:
            self._pending_sessions.pop()
        self._pending_sessions.append(session)
        self._change_event.set()

    def notify_change(self) -> None:
        """Something else that the record holds has changed."""
        self._change_event.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            self._change_event.clear()
            if self._pending_sessions:
                self._session = self._pending_sessions.popleft()
            await self._publish(self.make_record())
            if not self._pending_sessions:
                await self._wait_for_change()

    async def _wait_for_change(self) -> None:
        try:
            async with asyncio.timeout(HEARTBEAT_INTERVAL_S):
                await self._change_event.wait()
        except TimeoutError:
            return

    async def publish_stopped(self) -> None:
        """Publish that no process sends for the account any more."""
        self._session = SessionState(
            Phase.STOPPED, phone=self._session.phone, since_s=self._now_s()
        )
        await self._publish(self.make_record())

    def make_record(self) -> AccountRecord:
        """The account at this moment."""
        now_s, session = self._now_s(), self._session
        restriction = self._restrictions.get_active(session.link, now_s)
        active_restriction = restriction if session.phase is Phase.READY else None
        busy_until_s = self._pacer.busy_until_s(now_s)
        return AccountRecord(
            account=self._name,
            state=cast(AccountState, "restricted" if active_restriction else session.phase.value),
            since=format_rfc3339(
                active_restriction.since_s if active_restriction else session.since_s
            ),
            phone=session.phone,
            reason=active_restriction.code if active_restriction else session.reason,
            until=format_rfc3339(active_restriction.until_s) if active_restriction else None,
            qr=session.qr,
            pairing_code=session.pairing_code,
            sent_last_minute=self._pacer.count_last_minute(now_s),
            sent_today=self._pacer.count_last_day(now_s),
            free_at=format_rfc3339(busy_until_s) if busy_until_s else None,
            daily_cap=self._daily_cap or None,
            degraded=session.degraded,
            owner=self._owner,
        )


class QrTerminal:
    """Shows the QR code to a person who started the sender in a terminal."""

    def __init__(self, name: str, out: TextIO = sys.stdout) -> None:
        self._name = name
        self._out = out
        self._shown_code: str | None = None

    def show_code(self, session: SessionState) -> None:
        """Print the code if it is a new one and the output is a terminal."""
        if session.qr == self._shown_code:
            return
        self._shown_code = session.qr
        if session.qr is None or not self._out.isatty():
            return
        print(
            f"\nLink the account {self._name}: WhatsApp, linked devices, scan this code.\n",
            file=self._out,
        )
        segno.make(session.qr, micro=False).terminal(self._out, compact=True)
        self._out.flush()
