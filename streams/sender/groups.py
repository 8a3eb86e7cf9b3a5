"""Publishes the groups of the account while its session is ready. Decides nothing, and joins no group.

The page answers from its memory, so a list costs WhatsApp's server nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from streams.domain.accounts.groups import AccountGroup, GroupReport, is_due
from streams.sender.browser_session import BrowserSession

INTERVAL_S: Final = 5.0
FIRST_INTERVAL_S: Final = 1.0  # until the session is ready

PublishGroups = Callable[[GroupReport], Awaitable[object]]


class GroupReporter:
    """Lists the groups every few seconds, and publishes the list when that says something new."""

    def __init__(
        self,
        *,
        account: str,
        browser_session: BrowserSession,
        publish: PublishGroups,
        now_s: Callable[[], float],
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._account = account
        self._browser_session = browser_session
        self._publish = publish
        self._now_s = now_s
        self._interval_s = interval_s
        self._published: GroupReport | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.run_once()
            await asyncio.sleep(self._interval_s if self._published else FIRST_INTERVAL_S)

    async def run_once(self) -> None:
        """Publish the list, if the page gives one and it is due."""
        driver = self._browser_session.driver
        listed = None if driver is None else await driver.list_groups()
        if listed is None:
            return
        groups = tuple(
            AccountGroup(id=g.id, subject=g.subject, size=g.size, can_write=g.can_write)
            for g in sorted(listed.groups, key=lambda group: group.id)
        )
        report = GroupReport(
            account=self._account,
            groups=groups,
            listed_at_s=self._now_s(),
            is_complete=listed.is_complete,
        )
        if is_due(self._published, report):
            await self._publish(report)
            self._published = report
