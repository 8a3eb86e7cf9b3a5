"""The connections of pages: one WebSocket each. What a message means may not be decided here.

Each message is a JSON object with an `op` (page/modules/session/wire.js has the other end). A request of
the page has an `n` too, and its answer carries the same `n`.

    page → server    hello, ping, msg, receipt_confirmed, inbound_confirmed, chatstate
                     requests: pair_code, exists, group, msg_info, logout
    server → page    hello, pong, failure, welcome, unpaired, conflict, logout, restricted, crash
                     refs, primary_hello, paired
                     offline_preview, offline_stanza, offline (what the page has missed, and its end)
                     ack, receipt, inbound, group, time_lock, new_chat_cap
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import WSMsgType, web

_QR_ADDRESS = "https://wa.me/settings/linked_devices#"
_MAX_VALID_CODES = 2  # the code that is shown, and the one before: a phone may have just read it


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """The keys that identify a device; the QR code contains them."""

    noise: str
    identity: str
    adv: str


class Connection:
    """A connected page."""

    def __init__(self, socket: web.WebSocketResponse, keys: DeviceKeys) -> None:
        self.keys = keys
        self.is_restricted = False
        self.is_dead = False  # nothing passes it in either direction
        self.pairing: tuple[str, str] | None = None  # the code, and the phone it is for
        self.inbound_lock = asyncio.Lock()  # messages to the account keep their order
        self._refs: deque[str] = deque(maxlen=_MAX_VALID_CODES)
        self._socket = socket

    @property
    def is_open(self) -> bool:
        """Whether a message can still be sent."""
        return not self._socket.closed

    async def send(self, op: str, **fields: Any) -> None:
        """Send a message. A page that has gone does not receive it, as in any network."""
        await self._send_json({"op": op, **fields})

    async def reply(self, request: dict[str, Any], **fields: Any) -> None:
        """Answer a request of the page."""
        await self._send_json({"n": request["n"], **fields})

    async def disconnect(self) -> None:
        """Close the connection without a message."""
        await self._socket.close()

    async def _send_json(self, message: dict[str, Any]) -> None:
        if self._socket.closed or self.is_dead:
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
        """From now on no code of this page is valid."""
        self._refs.clear()
        self.pairing = None

    @property
    def qr(self) -> str | None:
        """The text of the QR code that the page shows."""
        if not self._refs:
            return None
        return ",".join([self._refs[-1], self.keys.noise, self.keys.identity, self.keys.adv, "1"])

    def is_showing(self, qr: str) -> bool:
        """Whether the page shows this code with its own keys in it, or did so a moment ago.

        WhatsApp Web has three forms of it: five fields, six, or a link before the five.
        """
        parts = qr.removeprefix(_QR_ADDRESS).split(",")
        keys = [self.keys.noise, self.keys.identity, self.keys.adv]
        return len(parts) >= 4 and parts[0] in self._refs and parts[1:4] == keys


class Pages:
    """The connected pages, by noise key: a device has one connection at a time."""

    def __init__(self, phone_of_device: Callable[[str], str | None]) -> None:
        self._phone_of_device = phone_of_device
        self._connected: dict[str, Connection] = {}

    def add(self, page: Connection) -> Connection | None:
        """Returns the page that this one replaces, if any."""
        replaced = self._connected.get(page.keys.noise)
        self._connected[page.keys.noise] = page
        return replaced

    def remove(self, page: Connection) -> None:
        """The page has gone. A page that has replaced it stays."""
        if self._connected.get(page.keys.noise) is page:
            del self._connected[page.keys.noise]

    def all(self) -> list[Connection]:
        """Every page."""
        return list(self._connected.values())

    def of_account(self, phone: str | None) -> list[Connection]:
        """Every page of this account, or every page if `phone` is None."""
        return [page for page in self.all() if phone in (None, self.phone_of_page(page))]

    def phone_of_page(self, page: Connection) -> str | None:
        """The phone that the page is linked to."""
        return self._phone_of_device(page.keys.noise)


async def receive_messages(socket: web.WebSocketResponse) -> AsyncIterator[dict[str, Any]]:
    """The page's messages, until it disconnects."""
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            return
        yield orjson.loads(message.data)
