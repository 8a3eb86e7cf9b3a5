"""A client of the sandbox's control: plain HTTP with JSON on loopback. For the command line and for tests.

SandboxError
├── SandboxUnreachable   nothing answers: start one
└── SandboxRefused       it answers, and does not do what it was asked for
"""

import json
import urllib.error
import urllib.request
from typing import Any

_TIMEOUT_S = 10.0


class SandboxError(RuntimeError):
    """A call to the sandbox failed; the message is one line."""


class SandboxUnreachable(SandboxError):
    """Nothing answers; the message says what to start."""


class SandboxRefused(SandboxError):
    """The sandbox answered with an error."""


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
            raise SandboxRefused(f"the sandbox refuses {path}: {_read_error(error)}") from error
        except OSError as error:
            raise SandboxUnreachable(
                f"no sandbox answers at {self.url}: start `wa-streams sandbox`, or `wa-streams up --sandbox`"
            ) from error


def _read_error(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
