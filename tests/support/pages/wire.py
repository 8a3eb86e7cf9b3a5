"""A page of the sandbox without a browser. It sends on the WebSocket only what a test makes it send."""

import asyncio
import re
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import aiohttp
import pytest

from tests.support.sandbox import Sandbox, SandboxControl

_TIMEOUT_S = 10.0
ME = "+905550000001"  # the first account of a clean world
PEER = "+905551112233"


class WirePage:
    """One device. As a context manager, it connects and sends its hello."""

    def __init__(self, sandbox: Sandbox, name: str, *, linked: bool = False) -> None:
        port = re.search(r"127\.0\.0\.1:(\d+)", sandbox.browser_args[0])
        assert port is not None
        self._url = f"wss://127.0.0.1:{port.group(1)}/ws/chat"
        self._hello = {
            "op": "hello",
            "linked": linked,
            "noise": f"noise-{name}",
            "identity": f"identity-{name}",
            "adv": f"adv-{name}",
        }
        self._request_count = 0

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        # The certificate is self-signed; only a browser is given its key.
        self._socket = await self._http.ws_connect(self._url, ssl=False)
        await self._socket.send_json(self._hello)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._socket.close()
        await self._http.close()

    async def send(self, op: str, **fields: Any) -> None:
        """Send one message to the server."""
        await self._socket.send_json({"op": op, **fields})

    async def receive(self, op: str) -> dict[str, Any]:
        """The next message with this op. Earlier messages are dropped."""
        async with asyncio.timeout(_TIMEOUT_S):
            while True:
                message = await self._socket.receive_json()
                if message.get("op") == op:
                    return message

    async def request(self, op: str, **fields: Any) -> dict[str, Any]:
        """Send a request and return its answer."""
        self._request_count += 1
        await self.send(op, n=self._request_count, **fields)
        async with asyncio.timeout(_TIMEOUT_S):
            while True:
                message = await self._socket.receive_json()
                if message.get("n") == self._request_count:
                    return message

    async def wait_closed(self) -> None:
        """Wait for the end of the connection."""
        async with asyncio.timeout(_TIMEOUT_S):
            while (await self._socket.receive()).type is not aiohttp.WSMsgType.CLOSED:
                continue

    async def read_qr(self) -> str:
        """The text of the QR code that a person would scan."""
        ref = (await self.receive("refs"))["refs"][0]
        keys = [self._hello[name] for name in ("noise", "identity", "adv")]
        return ",".join([ref, *keys, "1"])

    async def send_text(self, whatsapp_id: str, to: str, body: str = "hello") -> None:
        """Send a text message."""
        chat_id = to if "@" in to else f"{to.removeprefix('+')}@c.us"
        await self.send(
            "msg", id=whatsapp_id, to=chat_id, type="text", body=body, quoted=None, details={}
        )

    async def send_text_and_get_ack(self, whatsapp_id: str, to: str = PEER) -> dict[str, Any]:
        """Send a text message and return the server's ack."""
        await self.send_text(whatsapp_id, to)
        ack = await self.receive("ack")
        assert ack["id"] == whatsapp_id
        return ack


@pytest.fixture
async def page(sandbox: Sandbox, control: SandboxControl) -> AsyncIterator[WirePage]:
    """A linked page."""
    async with WirePage(sandbox, "a") as page:
        await control.scan(await page.read_qr())
        await page.receive("paired")
        yield page
