"""The sandbox's control, asked from the command line: plain HTTP with JSON on loopback."""

import json
import urllib.error
import urllib.request
from typing import Any

from streams.operations.errors import CommandFailed, UsageError

_TIMEOUT_S = 10.0


class SandboxClient:
    """A running sandbox. Every call blocks, at most for some seconds."""

    def __init__(self, url: str) -> None:
        self.url = url

    def fetch_browser_args(self) -> list[str]:
        """What any Chromium must be given to meet this WhatsApp."""
        return self._call("/")["browser_args"]

    def fetch_log(self, after_seq: int = 0) -> list[dict[str, Any]]:
        """Every message with a greater `seq`, in the order of arrival."""
        return self._call(f"/log?after={after_seq}")

    def scan(self, qr: str) -> str:
        """A phone scans this code; returns its number."""
        return self._call("/scan", {"qr": qr})["phone"]

    def set_numbers(self, numbers: dict[str, dict[str, Any]]) -> None:
        """From now on look-ups answer this."""
        self._call("/numbers", numbers)

    def _call(self, path: str, body: object = None) -> Any:
        payload = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=payload)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise CommandFailed(f"the sandbox refuses {path}: {_read_error(error)}") from error
        except OSError as error:
            raise UsageError(
                f"no sandbox answers at {self.url}: start `wa-streams sandbox`, or `wa-streams up --sandbox`"
            ) from error


def _read_error(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
