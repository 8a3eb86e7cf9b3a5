"""One page's WebSocket: what the page says, and how it is spoken to. Decides nothing.

Each message is a JSON object with an `op` (page/modules/wire.js has the other end). A page that asks
adds `n`, and the answer carries the same `n`.

    page → server    hello, refresh_qr, msg, receipt_confirmed, inbound_confirmed, chatstate
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

_MAX_VALID_CODES = 2  # the one that is shown, and the one before: a phone may have just read it


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """What a device is known by; the QR code carries them."""

    noise: str
    identity: str
    adv: str


class Connection:
    """A page that is connected."""

    def __init__(self, socket: web.WebSocketResponse, keys: DeviceKeys) -> None:
        self.keys = keys
        self.is_restricted = False
        self.pairing: tuple[str, str] | None = None  # the code, and the phone that asked for it
        self._refs: deque[str] = deque(maxlen=_MAX_VALID_CODES)
        self._socket = socket

    @property
    def is_open(self) -> bool:
        """Whether anything can still be said."""
        return not self._socket.closed

    async def send(self, op: str, **fields: Any) -> None:
        """Send; a page that has gone hears nothing, as with any network."""
        await self._send_json({"op": op, **fields})

    async def reply(self, request: dict[str, Any], **fields: Any) -> None:
        """Answer what the page asked."""
        await self._send_json({"n": request["n"], **fields})

    async def disconnect(self) -> None:
        """End the connection without a word of WhatsApp's."""
        await self._socket.close()

    async def _send_json(self, message: dict[str, Any]) -> None:
        if self._socket.closed:
            return
        try:
            await self._socket.send_str(orjson.dumps(message).decode())
        except ConnectionError:
            return

    # -- linking

    def show_code(self, ref: str) -> None:
        """The page shows a QR code with this reference."""
        self._refs.append(ref)

    def clear_codes(self) -> None:
        """No code of this page is good any more."""
        self._refs.clear()
        self.pairing = None

    @property
    def qr(self) -> str | None:
        """The whole text of the QR code that the page shows."""
        if not self._refs:
            return None
        return ",".join([self._refs[-1], self.keys.noise, self.keys.identity, self.keys.adv, "1"])

    def is_showing(self, qr: str) -> bool:
        """Whether the page shows this code, or did a moment ago, with its own keys in it."""
        parts = qr.split(",")
        keys = [self.keys.noise, self.keys.identity, self.keys.adv]
        return len(parts) >= 4 and parts[0] in self._refs and parts[1:4] == keys


class Pages:
    """The pages that are connected, by noise key: a device has one connection at a time."""

    def __init__(self, phone_of_device: Callable[[str], str | None]) -> None:
        self._phone_of_device = phone_of_device
        self._connected: dict[str, Connection] = {}

    def add(self, page: Connection) -> Connection | None:
        """Returns the page that it takes the place of."""
        replaced = self._connected.get(page.keys.noise)
        self._connected[page.keys.noise] = page
        return replaced

    def remove(self, page: Connection) -> None:
        """It has gone; another that has taken its place stays."""
        if self._connected.get(page.keys.noise) is page:
            del self._connected[page.keys.noise]

    def all(self) -> list[Connection]:
        """Every page."""
        return list(self._connected.values())

    def of_account(self, phone: str | None) -> list[Connection]:
        """Every page of this account; of all where none is named."""
        return [page for page in self.all() if phone in (None, self.phone_of_page(page))]

    def phone_of_page(self, page: Connection) -> str | None:
        """Whose page it is, once it is linked."""
        return self._phone_of_device(page.keys.noise)


async def receive_messages(socket: web.WebSocketResponse) -> AsyncIterator[dict[str, Any]]:
    """What the page says, until it goes."""
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            return
        yield orjson.loads(message.data)
