"""A page of the sandbox without a browser: speaks its WebSocket, and says only what it is told to."""

import asyncio
import re
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.support.sandbox import Sandbox

_WITHIN_S = 10.0
ME = "+905550000001"  # the first account of a clean world
PEER = "+905551112233"


class WirePage:
    """One device. Use as a context manager; entering connects and says hello."""

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
        self._questions = 0

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        # The certificate is nobody's but the sandbox's; a browser is told its key.
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

    async def say(self, op: str, **fields: Any) -> None:
        """One message to the server."""
        await self._socket.send_json({"op": op, **fields})

    async def hear(self, op: str) -> dict[str, Any]:
        """The next message of this kind; what comes before it is not kept."""
        async with asyncio.timeout(_WITHIN_S):
            while True:
                message = await self._socket.receive_json()
                if message.get("op") == op:
                    return message

    async def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """A question and its answer."""
        self._questions += 1
        await self.say(op, n=self._questions, **fields)
        async with asyncio.timeout(_WITHIN_S):
            while True:
                message = await self._socket.receive_json()
                if message.get("n") == self._questions:
                    return message

    async def is_cut(self) -> None:
        """Await the end of the connection."""
        async with asyncio.timeout(_WITHIN_S):
            while (await self._socket.receive()).type is not aiohttp.WSMsgType.CLOSED:
                continue

    async def qr(self) -> str:
        """The text of the QR code that a person would see."""
        ref = (await self.hear("ref"))["ref"]
        keys = [self._hello[name] for name in ("noise", "identity", "adv")]
        return ",".join([ref, *keys, "1"])

    async def send(self, whatsapp_id: str, to: str, body: str = "hello") -> None:
        """A text message."""
        chat_id = to if "@" in to else f"{to.removeprefix('+')}@c.us"
        await self.say(
            "msg", id=whatsapp_id, to=chat_id, type="text", body=body, quoted=None, more={}
        )

    async def acked(self, whatsapp_id: str, to: str = PEER) -> dict[str, Any]:
        """A text message and the server's answer to it."""
        await self.send(whatsapp_id, to)
        answer = await self.hear("ack")
        assert answer["id"] == whatsapp_id
        return answer
