"""What comes before an attempt's turn: the longer pause before a stranger, and the typing indication. Submits nothing.

Other attempts take their turns meanwhile. A prelude takes no longer than the account's pace may, and ends before the
deadline of the dispatch. In its turn the attempt still waits for the pace; the page shows the typing until then.
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from streams.domain.accounts.pacing import MAX_PACE_WAIT_S, MINUTE_S
from streams.domain.accounts.stranger_times import StrangerTimes
from streams.domain.errors import Error
from streams.domain.sending import actions
from streams.domain.sending.typing_indication import TypingRule
from streams.sender.browser_session import BrowserSession
from streams.sender.clock import Clock
from streams.sender.new_chats import NewChatGuard
from streams.sender.pace.account_pace import AccountPace
from streams.settings import Settings
from streams.whatsapp.driver import Driver, Phase


class PreludeState(Protocol):
    """What the prelude reads and writes of an attempt that runs."""

    deadline_mono_s: float
    has_had_prelude: bool
    is_stranger: bool
    typing_driver: Driver | None

    def end_turn(self) -> object:
        """Others go on."""
        ...


class Prelude:
    """Runs once for each attempt, before its first submit."""

    def __init__(
        self,
        *,
        browser_session: BrowserSession,
        pace: AccountPace,
        new_chats: NewChatGuard,
        typing: TypingRule,
        clock: Clock,
    ) -> None:
        self._browser_session = browser_session
        self._pace = pace
        self._new_chats = new_chats
        self._typing = typing
        self._clock = clock
        self._stranger_times = StrangerTimes()

    async def run(
        self, state: PreludeState, chat_id: str, content: Mapping[str, object]
    ) -> actions.Denied | None:
        """Wait, and show typing. Returns why nothing can be submitted soon; None: take the turn now."""
        driver = self._browser_session.driver
        if driver is None or self._browser_session.state.phase is not Phase.READY:
            return None
        state.has_had_prelude = True
        typing_s = self._typing.duration_s(content)
        is_blocked = typing_s > 0 and self._new_chats.get_block(self._clock.now_s()) is not None
        if is_blocked or self._pace.get_limits().is_pacing_strangers:
            state.is_stranger = await driver.is_new_chat(chat_id)
        wait_s, is_handed_back = self._reserve(state) if state.is_stranger else (0.0, False)
        if is_handed_back:
            return actions.Denied(Error("account_rate_limited"), self._clock.now_s() + wait_s)
        if is_blocked and state.is_stranger:
            typing_s = 0.0
        await self._wait(state, driver, chat_id, wait_s, self._bound_typing_s(state, typing_s))
        return None

    def _reserve(self, state: PreludeState) -> tuple[float, bool]:
        now_mono_s = self._clock.monotonic_s()
        strangers = self._pace.get_limits().strangers
        per_message_s = MINUTE_S / strangers.per_minute if strangers.per_minute else 0.0
        return self._stranger_times.reserve(
            now_mono_s,
            next_wait_s=self._pace.stranger_pacer.next_wait_s(now_mono_s)[0],
            spacing_s=max(strangers.interval_s, per_message_s),
            max_wait_s=state.deadline_mono_s - now_mono_s,
        )

    def _bound_typing_s(self, state: PreludeState, typing_s: float) -> float:
        """At most half of what is left of the deadline; nothing before a message that its pace will hold back."""
        now_mono_s = self._clock.monotonic_s()
        if self._pace.pacer.next_wait_s(now_mono_s)[0] > MAX_PACE_WAIT_S:
            return 0.0
        return max(0.0, min(typing_s, (state.deadline_mono_s - now_mono_s) / 2))

    async def _wait(
        self, state: PreludeState, driver: Driver, chat_id: str, wait_s: float, typing_s: float
    ) -> None:
        if not wait_s and not typing_s:
            return
        state.end_turn()
        await asyncio.sleep(max(0.0, wait_s - typing_s))
        if typing_s and await driver.set_typing(chat_id, is_typing=True):
            state.typing_driver = driver
            await asyncio.sleep(typing_s)

    async def end(self, state: PreludeState, chat_id: str) -> None:
        """The attempt's turn is over: nobody is shown as typing any more."""
        driver, state.typing_driver = state.typing_driver, None
        if driver is not None:
            await driver.set_typing(chat_id, is_typing=False)


def make_typing_rule(settings: Settings) -> TypingRule:
    """How long typing is shown."""
    return TypingRule(settings.typing_max_ms / 1000 if settings.typing else 0.0)
