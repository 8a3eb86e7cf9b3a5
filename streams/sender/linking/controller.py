"""The link of the account: whether its page has the account's own number, and what a person wants done about it.

It stands between the driver and everything else of the sender: a session with another number is reported as
`linking`, so nothing is submitted, looked up or received with it. What is to be done is decided in
streams/domain/accounts/linking.py. Nothing here may send a message.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from streams.domain.accounts.linking import (
    Instructions,
    LinkAction,
    LinkedNumber,
    LinkSituation,
    NumberVerdict,
    check_number,
    find_holder,
    next_action,
)
from streams.sender.browser_session import BrowserSession
from streams.sender.clock import Clock
from streams.whatsapp.driver import Driver, Phase, SessionState
from streams.whatsapp.errors import BrowserError

log = logging.getLogger(__name__)

RETRY_S: Final = 5.0  # of a logout that the page could not do, or did not answer
PAIRING_REFUSED: Final = "pairing_refused"
_LINKED_PHASES: Final = (Phase.SYNCING, Phase.READY, Phase.RECONNECTING, Phase.RESTRICTED)
_USABLE: Final = (NumberVerdict.OWN, NumberVerdict.FIRST)


class LinkController:
    """Follows one browser session. `store_number` returns when the number is durable.

    `catch_up` returns when every record about the accounts that was written before was applied; False: that takes
    too long.
    """

    def __init__(
        self,
        account: str,
        get_session: Callable[[], BrowserSession],
        *,
        store_number: Callable[[LinkedNumber], Awaitable[object]],
        catch_up: Callable[[], Awaitable[bool]],
        clock: Clock,
    ) -> None:
        self._account = account
        self._get_session = get_session
        self._store_number = store_number
        self._catch_up = catch_up
        self._clock = clock
        self._instructions = Instructions()
        self._handled_at_s = 0.0
        self._pairing_requested_s = float("-inf")
        self._logged_out_s = float("-inf")
        self._is_pairing_refused = False
        self._logged_verdict = NumberVerdict.OWN
        self._change_event = asyncio.Event()

    @property
    def linked_phone(self) -> str | None:
        """The number that belongs to the account's name."""
        number = self._instructions.numbers.get(self._account)
        return number.linked_phone if number is not None else None

    def set_instructions(self, instructions: Instructions) -> None:
        """This is requested now, and these are the numbers of all accounts."""
        if instructions.link_request != self._instructions.link_request:
            self._pairing_requested_s = float("-inf")
            self._is_pairing_refused = False
        self._instructions = instructions
        self._get_session().apply_admission()
        self._change_event.set()

    def admit(self, session: SessionState) -> SessionState:
        """The session as the sender may use it."""
        self._change_event.set()
        if session.phase is Phase.LINKING and self._is_pairing_refused:
            return replace(session, reason=PAIRING_REFUSED)
        if session.phase not in _LINKED_PHASES or session.phase is Phase.RESTRICTED:
            return session
        if session.phone is None and session.phase is not Phase.READY:
            return session
        verdict = self._check(session)
        self._log_verdict(verdict, session)
        if verdict not in _USABLE:
            return replace(session, phase=Phase.LINKING, reason=str(verdict))
        if session.phase is Phase.READY and verdict is NumberVerdict.FIRST:
            return replace(session, phase=Phase.SYNCING)  # until the number is stored
        return session

    def _check(self, session: SessionState) -> NumberVerdict:
        return check_number(self._account, session.phone, self._instructions.numbers)

    def _log_verdict(self, verdict: NumberVerdict, session: SessionState) -> None:
        """One line for each change; the numbers are on `wa.accounts`, and not in the log."""
        if verdict is self._logged_verdict:
            return
        self._logged_verdict = verdict
        if verdict in _USABLE:
            return
        holder = find_holder(self._account, session.phone or "", self._instructions.numbers)
        log.error(
            "the page of %s is not used (%s%s): nothing is sent; `wa-streams accounts link %s` shows what to do",
            self._account,
            verdict,
            f" by {holder}" if verdict is NumberVerdict.TAKEN else "",
            self._account,
        )

    # -- acting

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._change_event.clear()
            await self._act()
            try:
                async with asyncio.timeout(RETRY_S):
                    await self._change_event.wait()
            except TimeoutError:
                continue

    async def _act(self) -> None:
        session = self._get_session()
        link_request = self._instructions.link_request
        if link_request is not None and session.reported_state.phase is Phase.LINKING:
            # It has its code. A wrong phone that takes it stays linked, so that a person can confirm its number.
            self._handled_at_s = link_request.at_s
        action = next_action(
            self._describe(session.reported_state), self._instructions, self._clock.now_s()
        )
        if action is LinkAction.NOTHING or session.driver is None:
            return
        try:
            await self._perform(action, session.driver, session.reported_state)
        except BrowserError as error:
            log.warning("%s: %s did not work, and is tried again: %s", self._account, action, error)

    def _describe(self, session: SessionState) -> LinkSituation:
        return LinkSituation(
            is_linked=session.phase in _LINKED_PHASES and session.phone is not None,
            is_ready=session.phase is Phase.READY,
            shows_code=session.phase is Phase.LINKING,
            has_pairing_code=session.pairing_code is not None,
            verdict=self._check(session),
            handled_at_s=self._handled_at_s,
            pairing_requested_s=self._pairing_requested_s,
            logged_out_s=self._logged_out_s,
        )

    async def _perform(self, action: LinkAction, driver: Driver, session: SessionState) -> None:
        match action:
            case LinkAction.STORE_NUMBER:
                await self._store_first_number(session)
            case LinkAction.LOG_OUT:
                log.warning("the account %s is logged out: a person requests it", self._account)
                self._logged_out_s = self._clock.now_s()
                if self._instructions.link_request is not None:
                    self._handled_at_s = self._instructions.link_request.at_s
                await driver.logout()
            case LinkAction.REQUEST_PAIRING_CODE:
                await self._request_pairing_code(driver)
            case LinkAction.NOTHING:
                return

    async def _store_first_number(self, session: SessionState) -> None:
        """Another sender of this account, or a person, may have stored one: that one counts."""
        if not await self._catch_up() or self._check(session) is not NumberVerdict.FIRST:
            return
        if session.phone is None or self._get_session().reported_state.phone != session.phone:
            return
        number = LinkedNumber(
            account=self._account, linked_phone=session.phone, at_s=self._clock.now_s()
        )
        await self._store_number(number)
        log.info("the account %s has the number of its first link from now on", self._account)

    async def _request_pairing_code(self, driver: Driver) -> None:
        link_request = self._instructions.link_request
        assert link_request is not None, "only a request has a phone"
        assert link_request.pairing_phone is not None, "only such a request needs a code"
        self._pairing_requested_s = self._clock.now_s()
        try:
            await driver.request_pairing_code(link_request.pairing_phone)
        except BrowserError:
            self._is_pairing_refused = True
            self._get_session().apply_admission()
            raise
        self._is_pairing_refused = False
