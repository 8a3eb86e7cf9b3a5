"""What can go wrong with a browser, named by what is done next. Imports nothing.

BrowserError
├── BrowserMissing     tell the operator which browser to install
├── BundleMissing      tell the operator how to install wa-js
├── ProfileInUse       another process owns the profile: do not start
├── LinkFailed         WhatsApp gave no pairing code: tell who asked
├── Unreachable        WhatsApp's page cannot be loaded: wait and try again, for ever
├── PageRefused        the adapter in the page said no, with a code
└── PageTrouble        the watchdog climbs its ladder
    ├── PageMoved      the page navigated by itself: inject again
    ├── PageHung       no answer in time
    └── PageLost       renderer, browser or Playwright's driver is gone
"""


class BrowserError(Exception):
    """Any of this package's errors."""


class BrowserMissing(BrowserError):
    """No Chromium was found; the text says what to do."""


class BundleMissing(BrowserError):
    """The wa-js bundle was not found; the text says what to do."""


class ProfileInUse(BrowserError):
    """The profile folder has another owner."""


class LinkFailed(BrowserError):
    """The page gave no pairing code."""


class WhatsAppUnreachable(BrowserError):
    """The page could not be loaded from the network."""


class AdapterError(BrowserError):
    """The adapter answered `ok: false`."""

    def __init__(self, code: str, detail: str, *, handed_over: bool = False, refused: bool = False):
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.handed_over = handed_over
        self.refused = refused


class PageFailure(BrowserError):
    """The page is of no use as it is."""


class PageNavigated(PageFailure):
    """The document was replaced under a call."""


class PageHung(PageFailure):
    """The page did not answer in time."""


class PageLost(PageFailure):
    """The page, the browser or Playwright's driver has died."""
