"""WhatsApp's server: pages connect, send messages and disconnect. HTTP may not appear here.

What happens to a message is in messages.py.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from streams.sandbox.connection import Connection, Pages
from streams.sandbox.linking import Linking, lid, wid
from streams.sandbox.messages import ConnectionFaults, Messages
from streams.sandbox.phones import Phones
from streams.sandbox.state.events import (
    NumberLookup,
    NumbersChanged,
    Unlinked,
)
from streams.sandbox.state.faults import Defaults, Fault, Faults, FaultValue
from streams.sandbox.state.store import Store
from streams.sandbox.tasks import BackgroundTasks

_CONNECTION_FAULTS = ("page_crash", "drop_socket", "logout", "restrict")
_SERVER_ERROR = 500
_DEFAULT_RESTRICTION = "TOS_BLOCK"


class Server:
    """One WhatsApp, for all accounts."""

    def __init__(self, store: Store, defaults: Defaults) -> None:
        self.store = store
        self.faults = Faults()
        self.defaults = defaults
        self.pages = Pages(lambda noise: self.store.world.phone_of_device(noise))
        self._background = BackgroundTasks()
        self.linking = Linking(store, self.pages, defaults, self._background)
        self.phones = Phones(store, self.pages, defaults, self.faults, self._background)
        self.messages = Messages(
            store,
            self.pages,
            defaults,
            self.faults,
            self.phones,
            self._background,
            ConnectionFaults(self._consume_connection_faults, self._apply_fault),
        )
        self._handlers: dict[str, Callable[[Connection, dict[str, Any]], Awaitable[None]]] = {
            "refresh_qr": self._refresh_qr,
            "pair_code": self._pair_code,
            "exists": self._exists,
            "msg": self.messages.receive,
            "receipt_confirmed": self._receipt_confirmed,
            "inbound_confirmed": self._inbound_confirmed,
            "logout": self._logout,
            "chatstate": self._chat_state,
        }

    async def close(self) -> None:
        """End the background tasks and every connection."""
        await self._background.cancel()
        for page in self.pages.all():
            await page.disconnect()

    async def reset(self) -> None:
        """Start a clean world: no fault, no message, no account. Every page shows a QR code."""
        await self._background.cancel()
        self.faults.clear()
        self.store.reset()
        for page in self.pages.all():
            await page.send("unpaired")

    # -- pages connect and disconnect

    async def on_connect(self, page: Connection, claims_linked: bool) -> None:
        """A page has sent its hello."""
        replaced = self.pages.add(page)
        if replaced is not None:
            await replaced.send("conflict")
            await replaced.disconnect()
        faults = self._consume_connection_faults(page, None)
        if "drop_socket" not in (name for name, _ in faults):  # then it receives nothing at all
            await self._greet(page, claims_linked)
        for name, value in faults:
            await self._apply_fault(page, name, value)

    async def _greet(self, page: Connection, claims_linked: bool) -> None:
        phone = self.pages.phone_of_page(page)
        if phone is not None:
            await self._welcome(page, phone)
        elif claims_linked:
            await page.send("unpaired")
        else:
            self.linking.show_codes(page)

    async def _welcome(self, page: Connection, phone: str) -> None:
        page.is_restricted = False
        await page.send("welcome", me=wid(phone), lid=lid(phone))
        await self.phones.catch_up(page, phone)

    def on_disconnect(self, page: Connection) -> None:
        """A page has closed its connection, or died."""
        self.linking.hide_codes(page)
        self.pages.remove(page)

    async def on_message(self, page: Connection, message: dict[str, Any]) -> None:
        """A page has sent a message."""
        await self._handlers[message["op"]](page, message)

    async def unlink(self, phone: str) -> None:
        """The phone unlinks all its devices. Raises UnknownAccount."""
        for noise in sorted(self.store.world.get_account(phone).devices):
            self.store.record(Unlinked(noise=noise))
            for page in self.pages.all():
                if page.keys.noise == noise:
                    await page.send("unpaired")

    # -- faults

    async def apply_faults(self, faults: list[Fault]) -> None:
        """Make the faults take effect that do not wait for a message."""
        for fault in faults:
            if fault.name == "logout" and fault.is_immediate:
                await self._unlink_all(fault.account)
            elif fault.is_immediate:
                for page in self.pages.of_account(fault.account):
                    await self._apply_fault(page, fault.name, fault.value)
        if any(fault.is_for_connections and not fault.is_immediate for fault in faults):
            for page in self.pages.all():
                await self.apply_connection_faults(page)

    async def _unlink_all(self, phone: str | None) -> None:
        """Unlink also an account that is not connected: the phone does it, not the page."""
        for account_phone in [phone] if phone else sorted(self.store.world.accounts):
            await self.unlink(account_phone)

    async def clear_faults(self) -> None:
        """Remove all faults and end all restrictions."""
        self.faults.clear()
        for page in self.pages.all():
            phone = self.pages.phone_of_page(page)
            if page.is_restricted and phone is not None:
                await self._welcome(page, phone)

    async def apply_connection_faults(self, page: Connection) -> None:
        """Apply every fault that waits for this connection."""
        for name, value in self._consume_connection_faults(page, None):
            await self._apply_fault(page, name, value)

    def _consume_connection_faults(
        self, page: Connection, number: str | None
    ) -> list[tuple[str, FaultValue]]:
        phone = self.pages.phone_of_page(page)
        values = [(name, self.faults.consume(name, phone, number)) for name in _CONNECTION_FAULTS]
        return [(name, value) for name, value in values if value is not None]

    async def _apply_fault(self, page: Connection, name: str, value: FaultValue) -> None:
        phone = self.pages.phone_of_page(page)
        match name:
            case "page_crash":
                await page.send("crash")
            case "drop_socket":
                await page.disconnect()
            case "restrict":
                page.is_restricted = True
                await page.send(
                    "restricted", mode=value if isinstance(value, str) else _DEFAULT_RESTRICTION
                )
            case "logout" if phone is not None:
                await self.unlink(phone)

    # -- numbers

    def set_numbers(self, numbers: dict[str, NumberLookup]) -> None:
        """Set what look-ups answer from now on."""
        self.store.record(NumbersChanged(numbers=numbers))

    async def _exists(self, page: Connection, request: dict[str, Any]) -> None:
        world = self.store.world
        phone = world.phone_of_chat_id(request["wid"])
        error = self.faults.consume("lookup_error", self.pages.phone_of_page(page), phone)
        if error is not None:
            code = _SERVER_ERROR if error is True else error
            await page.reply(request, error=code)
        elif world.is_on_whatsapp(phone):
            ids = world.ids_of_phone(phone)
            chat_id = ids.lid if self.defaults.lid_chats else ids.pn
            await page.reply(request, wid=chat_id, lid=ids.lid, pn=ids.pn)
        else:
            await page.reply(request)

    # -- linking

    async def _refresh_qr(self, page: Connection, _: dict[str, Any]) -> None:
        self.linking.show_codes(page)

    async def _pair_code(self, page: Connection, request: dict[str, Any]) -> None:
        code = self.linking.create_pairing_code(page, "+" + request["phone"])
        await page.reply(request, code=code)

    async def _logout(self, page: Connection, request: dict[str, Any]) -> None:
        if self.pages.phone_of_page(page) is not None:
            self.store.record(Unlinked(noise=page.keys.noise))
        await page.reply(request)

    # -- messages

    async def _receipt_confirmed(self, _: Connection, confirmation: dict[str, Any]) -> None:
        self.phones.confirm_receipt(confirmation)

    async def _inbound_confirmed(self, page: Connection, confirmation: dict[str, Any]) -> None:
        phone = self.pages.phone_of_page(page)
        if phone is not None:
            self.phones.confirm_inbound(phone, confirmation["id"])

    async def _chat_state(self, page: Connection, message: dict[str, Any]) -> None:
        """Somebody is typing. Nothing follows from it."""
