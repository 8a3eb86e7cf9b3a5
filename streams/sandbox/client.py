"""The sandbox's control, asked from the command line: plain HTTP with JSON on loopback."""

import json
import urllib.error
import urllib.request
from typing import Any

from streams.operations.errors import Failed, Wrong

_WITHIN_S = 10.0


class Sandbox:
    """A running sandbox. Every call blocks, at most for some seconds."""

    def __init__(self, url: str) -> None:
        self.url = url

    def browser_args(self) -> list[str]:
        """What any Chromium must be given to meet this WhatsApp."""
        return self._call("/")["browser_args"]

    def log(self, after: int = 0) -> list[dict[str, Any]]:
        """Every message with a greater `seq`, in the order of arrival."""
        return self._call(f"/log?after={after}")

    def scan(self, qr: str) -> str:
        """A phone scans this code; returns its number."""
        return self._call("/scan", {"qr": qr})["phone"]

    def numbers(self, numbers: dict[str, dict[str, Any]]) -> None:
        """From now on look-ups answer this."""
        self._call("/numbers", numbers)

    def _call(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data)
        try:
            with urllib.request.urlopen(request, timeout=_WITHIN_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Failed(f"the sandbox refuses {path}: {_refusal(error)}") from error
        except OSError as error:
            raise Wrong(
                f"no sandbox answers at {self.url}: start `wa-streams sandbox`, or `wa-streams up --sandbox`"
            ) from error


def _refusal(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
