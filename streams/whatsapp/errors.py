"""What can go wrong with a browser; each error is named by what the caller does next.

This file imports nothing.

BrowserError
├── BrowserMissing         tell the operator which browser to install
├── BundleMissing          tell the operator how to install wa-js
├── ProfileInUse           another process owns the profile: do not start
├── LinkFailed             WhatsApp gave no pairing code: report it to the caller
├── DiskFull               the profile is not opened, because a full disk costs the login: try later
├── WhatsAppUnreachable    WhatsApp's page cannot be loaded: wait and try again, without end
│   └── PageIncomplete     only a part of it was loaded: the same
├── AdapterError           the adapter in the page returned `ok: false`, with a code
└── PageFailure            the page supervisor escalates
    ├── PageNavigated      the page navigated by itself: inject again
    ├── PageHung           the page did not answer in time
    ├── PageStuck          the page answers and gets no further: replace it, without end
    └── PageLost           renderer, browser or Playwright's driver has died
"""


class BrowserError(Exception):
    """Any error of this package."""


class BrowserMissing(BrowserError):
    """There is no usable Chromium. The message says what to do."""


class BundleMissing(BrowserError):
    """There is no wa-js bundle. The message says what to do."""


class ProfileInUse(BrowserError):
    """Another process owns the profile folder."""


class LinkFailed(BrowserError):
    """The page returned no pairing code."""


class DiskFull(BrowserError):
    """There is too little free disk space to open the profile."""


class WhatsAppUnreachable(BrowserError):
    """The page could not be loaded from the network."""


class PageIncomplete(WhatsAppUnreachable):
    """The page was loaded, but not the modules that are needed."""


class AdapterError(BrowserError):
    """The adapter returned `ok: false`.

    `handed_over`: WhatsApp's own function was called, so the message may have left. `server_code`: the
    code with which WhatsApp's server refused the message; None: it did not refuse it. `until_s` (epoch):
    the call would fail in the same way before then.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        handed_over: bool = False,
        server_code: int | None = None,
        until_s: float | None = None,
    ):
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.handed_over = handed_over
        self.server_code = server_code
        self.until_s = until_s


class PageFailure(BrowserError):
    """The page is unusable in its present state."""


class PageNavigated(PageFailure):
    """The document was replaced during a call."""


class PageHung(PageFailure):
    """The page did not answer in time."""


class PageStuck(PageFailure):
    """The page answers, and makes no progress towards `ready`."""


class PageLost(PageFailure):
    """The page, the browser or Playwright's driver has died."""
