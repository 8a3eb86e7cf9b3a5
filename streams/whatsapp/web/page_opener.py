"""Opens the browser and the page of one profile, and replaces as much of them as a recovery level says.

Nothing here may decide when to open something; page_supervisor.py does that.
"""

import logging
from typing import Any

from streams.whatsapp.start_timer import StartTimer
from streams.whatsapp.web.browser.launch import BrowserConfig, Chromium
from streams.whatsapp.web.browser.profile import Profile
from streams.whatsapp.web.page import WhatsAppPage
from streams.whatsapp.web.recovery_policy import RecoveryLevel

log = logging.getLogger(__name__)

# Longer than Chromium ever waits before it writes localStorage.
_STORAGE_TIMEOUT_S = 6.0


class PageOpener:
    """One browser and one page. `linked_at_s` (epoch): the page was linked then; None for a new page."""

    def __init__(self, config: BrowserConfig, profile: Profile, bundle: str) -> None:
        self._config = config
        self._profile = profile
        self._bundle = bundle
        self._browser: Chromium | None = None
        self._page: WhatsAppPage | None = None
        self.linked_at_s: float | None = None
        self.start_timer = StartTimer()

    @property
    def page(self) -> WhatsAppPage | None:
        """The page, in whatever state it is."""
        return self._page

    @property
    def is_browser_alive(self) -> bool:
        """Whether the browser and its driver run."""
        return self._browser is not None and self._browser.is_alive

    async def open(self, level: RecoveryLevel) -> None:
        """Replace as much as the level says, at least what does not exist.

        Raises PageFailure, WhatsAppUnreachable, BrowserMissing, ProfileInUse and DiskFull.
        """
        self.start_timer.restart()
        if self._page is None or self._browser is None or level is RecoveryLevel.NEW_BROWSER:
            await self._open_new_browser()
        elif level is RecoveryLevel.NEW_PAGE:
            await self._open_new_page(self._browser)
        else:
            await self._page.open(self._config.whatsapp_url)

    async def _open_new_browser(self) -> None:
        await self.close()
        self._profile.require_free_disk(self._config.min_free_disk_mb)
        await self._profile.prepare()
        self._browser = await Chromium.launch(self._config, self._profile)
        self.start_timer.record("browser")
        tab = await self._browser.first_page()
        self._page = self._wrap_tab(self._browser, tab)
        await self._page.open(self._config.whatsapp_url)

    async def _open_new_page(self, browser: Chromium) -> None:
        """Close the old tab before the new one loads: WhatsApp may be open in one tab only.

        Chromium writes the site's storage when the site's last tab has closed. So if the login was
        made in the old tab, this waits until it is on disk: `ready` is not reported while a crash
        could still lose the login.
        """
        linked_at_s = self.linked_at_s
        old_page, self._page = self._page, None
        tab = await browser.new_page()
        if old_page is not None:
            await old_page.close()
        if linked_at_s is not None and not await self._profile.wait_for_storage(
            linked_at_s, _STORAGE_TIMEOUT_S
        ):
            log.warning("the new login was not seen on disk: a crash now may lose it")
        self._page = self._wrap_tab(browser, tab)
        await self._page.open(self._config.whatsapp_url)

    def _wrap_tab(self, browser: Chromium, tab: Any) -> WhatsAppPage:
        self.linked_at_s = None
        return WhatsAppPage(tab, browser, self._bundle, self._config.timeouts, self.start_timer)

    async def close(self) -> None:
        """End the browser, if there is one."""
        browser, self._browser, self._page = self._browser, None, None
        if browser is not None:
            await browser.close()
