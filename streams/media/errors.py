"""Why there is no file. Values only: a code of the contract and what to do about it.

A detail never repeats the URL, which may be signed.
"""

from typing import Final


class MediaError(Exception):
    """The file of this URL cannot be had now, or never. `code` is one of the contract's."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code: Final = code
        self.detail: Final = detail


def not_allowed(detail: str) -> MediaError:
    """The URL may not be fetched."""
    return MediaError("media_url_not_allowed", detail)


def too_large(max_bytes: int) -> MediaError:
    """The file has more bytes than the kind of message may have, or than WA_MEDIA_MAX_MB allows."""
    return MediaError("media_too_large", f"the file has more than {max_bytes} bytes")


def fetch_failed(detail: str) -> MediaError:
    """It may be there later."""
    return MediaError("media_fetch_failed", detail)


def still_fetching() -> MediaError:
    """It is on its way, and goes on while the message waits."""
    return MediaError("media_pending", "the file is still being fetched")
