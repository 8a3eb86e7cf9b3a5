"""One page's WebSocket: what the page says, and how it is spoken to. Decides nothing.

Each message is a JSON object with an `op` (page/modules/wire.js has the other end). A page that asks
adds `n`, and the answer carries the same `n`.

    page → server    hello, refresh_qr, msg, told, received, chatstate
                     asks: pair_code, exists, msg_info, logout
    server → page    ref, idle, paired, welcome, unpaired, conflict, restricted, crash
                     ack, receipt, inbound
"""

from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import WSMsgType, web

_CODES_THAT_COUNT = 2  # the one that is shown, and the one before: a phone may have just read it


@dataclass(frozen=True, slots=True)
class Keys:
    """What a device is known by; the QR code carries them."""

    noise: str
    identity: str
    adv: str


class Connection:
    """A page that is connected."""

    def __init__(self, socket: web.WebSocketResponse, keys: Keys) -> None:
        self.keys = keys
        self.restricted = False
        self.pairing: tuple[str, str] | None = None  # the code, and the phone that asked for it
        self._refs: deque[str] = deque(maxlen=_CODES_THAT_COUNT)
        self._socket = socket

    @property
    def open(self) -> bool:
        """Whether anything can still be said."""
        return not self._socket.closed

    async def say(self, op: str, **fields: Any) -> None:
        """Send; a page that has gone hears nothing, as with any network."""
        await self._send({"op": op, **fields})

    async def answer(self, question: dict[str, Any], **fields: Any) -> None:
        """Answer what the page asked."""
        await self._send({"n": question["n"], **fields})

    async def cut(self) -> None:
        """End the connection without a word of WhatsApp's."""
        await self._socket.close()

    async def _send(self, message: dict[str, Any]) -> None:
        if self._socket.closed:
            return
        try:
            await self._socket.send_str(orjson.dumps(message).decode())
        except ConnectionError:
            return

    # -- linking

    def show(self, ref: str) -> None:
        """The page shows a QR code with this reference."""
        self._refs.append(ref)

    def forget_codes(self) -> None:
        """No code of this page is good any more."""
        self._refs.clear()
        self.pairing = None

    @property
    def qr(self) -> str | None:
        """The whole text of the QR code that the page shows."""
        if not self._refs:
            return None
        return ",".join([self._refs[-1], self.keys.noise, self.keys.identity, self.keys.adv, "1"])

    def shows(self, qr: str) -> bool:
        """Whether the page shows this code, or did a moment ago, with its own keys in it."""
        parts = qr.split(",")
        keys = [self.keys.noise, self.keys.identity, self.keys.adv]
        return len(parts) >= 4 and parts[0] in self._refs and parts[1:4] == keys


class Pages:
    """The pages that are connected, by noise key: a device has one connection at a time."""

    def __init__(self, phone_of: Callable[[str], str | None]) -> None:
        self._phone_of = phone_of
        self._connected: dict[str, Connection] = {}

    def add(self, page: Connection) -> Connection | None:
        """Returns the page that it takes the place of."""
        before = self._connected.get(page.keys.noise)
        self._connected[page.keys.noise] = page
        return before

    def remove(self, page: Connection) -> None:
        """It has gone; another that has taken its place stays."""
        if self._connected.get(page.keys.noise) is page:
            del self._connected[page.keys.noise]

    def all(self) -> list[Connection]:
        """Every page."""
        return list(self._connected.values())

    def of(self, phone: str | None) -> list[Connection]:
        """Every page of this account; of all where none is named."""
        return [page for page in self.all() if phone in (None, self.phone(page))]

    def phone(self, page: Connection) -> str | None:
        """Whose page it is, once it is linked."""
        return self._phone_of(page.keys.noise)


async def messages(socket: web.WebSocketResponse) -> AsyncIterator[dict[str, Any]]:
    """What the page says, until it goes."""
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            return
        yield orjson.loads(message.data)
