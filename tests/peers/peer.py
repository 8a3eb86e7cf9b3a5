"""A client that is linked, or is about to be: its driver, its profile, and the sandbox that judges it.

Nothing here may decide whether a feature is fulfilled.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams.whatsapp.install.executable import find_chromium
from tests.peers.clients import Client, environment
from tests.peers.process import Driver, Missed
from tests.peers.samples import Sample
from tests.support.sandbox import Sandbox, SandboxControl

RECIPIENT = "+60123456789"
OTHER = "+60123456780"
STRANGER = "+60123456700"  # not on WhatsApp
_LOG_TIMEOUT_S = 10.0
_POLL_S = 0.1

Row = dict[str, Any]


class Peer:
    """A client under test. `number` is the account that it is linked to."""

    def __init__(
        self, client: Client, sandbox: Sandbox, folder: Path, samples: dict[str, Sample]
    ) -> None:
        self.client = client
        self.control = SandboxControl(sandbox.control_url)
        self.samples = samples
        self.number = ""
        self._sandbox = sandbox
        self._folder = folder
        self._driver: Driver | None = None

    @property
    def driver(self) -> Driver:
        """The running driver."""
        assert self._driver is not None, "the driver was not started"
        return self._driver

    # -- life

    async def open(self, profile: str, phone: str | None = None) -> None:
        """Start the client on this profile; with a `phone`, it links by pairing code."""
        log = self._folder / f"{profile}.log"
        command = self.client.command(self.client.folder)
        self._driver = await Driver.start(command, environment(), log)
        executable = await asyncio.to_thread(find_chromium, None, prefer_shell=False)
        args: dict[str, Any] = {
            "profile": str(self._folder / profile),
            "executable": str(executable.path),
            "browser_args": ["--no-sandbox", *self._sandbox.browser_args],
        }
        await self.call("open", **args, **({"phone": phone} if phone else {}))

    async def close(self) -> None:
        """End the client, if it runs."""
        driver, self._driver = self._driver, None
        if driver is not None:
            await driver.close()

    # -- calls

    async def call(self, name: str, /, **args: Any) -> Any:
        """A call of the client. Raises Missed."""
        return await self.driver.call(name, args)

    async def send(self, kind: str, /, *, to: str = RECIPIENT, **fields: Any) -> str:
        """Send a message of this kind. Returns the client's id of it. Raises Missed."""
        message_id = await self.call("send", kind=kind, to=to.removeprefix("+"), **fields)
        if not isinstance(message_id, str):
            raise Missed(f"send: the client answered {message_id!r} as the id")
        return message_id

    # -- what the sandbox has seen

    async def last_seq(self) -> int:
        """The number of events so far."""
        return max((row["seq"] for row in await self.control.fetch_events()), default=0)

    async def wait_log(
        self, after_seq: int, condition: Callable[[Row], bool], description: str
    ) -> Row:
        """The first event after `after_seq` that fulfils the condition. Raises Missed."""
        deadline_s = time.monotonic() + _LOG_TIMEOUT_S
        rows: list[Row] = []
        while time.monotonic() < deadline_s:
            rows = await self.control.fetch_events(after_seq)
            for row in rows:
                if condition(row):
                    return row
            await asyncio.sleep(_POLL_S)
        messages = [row for row in rows if row["event"] in {"message", "refused"}]
        raise Missed(f"the log has no {description}, but {_summarize(messages)}")


def _summarize(rows: list[Row]) -> str:
    if not rows:
        return "nothing"
    names = ("event", "type", "body", "code", "reply_to", "details")
    return "; ".join(
        " ".join(f"{name}={row[name]!r}" for name in names if row.get(name)) for row in rows
    )[:300]


def bare_id(message_id: str) -> str:
    """The part of a key that the recipient sees."""
    parts = message_id.split("_")
    return parts[2] if len(parts) > 2 else message_id
