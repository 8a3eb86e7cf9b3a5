"""WhatsApp's server: what pages send, and what they get. HTTP may not appear here.

What happens to a message is in messages.py. Faults (state/faults.py) may take effect in this file, in
messages.py, phones.py, sessions.py and site.py alone.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from streams.sandbox.connection import Connection, Pages
from streams.sandbox.groups import Groups
from streams.sandbox.linking import Linking
from streams.sandbox.messages import Messages
from streams.sandbox.phones import Phones
from streams.sandbox.sessions import Sessions
from streams.sandbox.state.events import ChatStateChanged, NumberLookup, NumbersChanged
from streams.sandbox.state.faults import Defaults, Faults
from streams.sandbox.state.store import Store
from streams.sandbox.tasks import BackgroundTasks

_SERVER_ERROR = 500


class Server:
    """One WhatsApp, for all accounts."""

    def __init__(self, store: Store, defaults: Defaults) -> None:
        self.store = store
        self.faults = Faults()
        self.defaults = defaults
        self.pages = Pages(lambda noise: self.store.world.phone_of_device(noise))
        self._background = BackgroundTasks()
        self.linking = Linking(store, self.pages, defaults, self._background)
        self.groups = Groups(store, self.pages)
        self.phones = Phones(
            store, self.pages, defaults, self.faults, self.groups, self._background
        )
        self.sessions = Sessions(
            store, self.pages, self.faults, self.linking, self.phones, self.groups, self._background
        )
        self.messages = Messages(
            store,
            self.pages,
            defaults,
            self.faults,
            self.phones,
            self.groups,
            self.sessions,
            self._background,
        )
        self._handlers: dict[str, Callable[[Connection, dict[str, Any]], Awaitable[None]]] = {
            "ping": self.sessions.answer_ping,
            "pair_code": self._pair_code,
            "exists": self._exists,
            "group": self.groups.answer,
            "msg": self.messages.receive,
            "receipt_confirmed": self._receipt_confirmed,
            "inbound_confirmed": self._inbound_confirmed,
            "logout": self.sessions.log_out,
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
        await self.sessions.clear_faults()
        self.store.reset()
        for page in self.pages.all():
            await page.send("unpaired")

    async def on_message(self, page: Connection, message: dict[str, Any]) -> None:
        """A page has sent a message."""
        if page.is_dead:
            return
        await self._handlers[message["op"]](page, message)

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

    async def _pair_code(self, page: Connection, request: dict[str, Any]) -> None:
        code = self.linking.create_pairing_code(page, "+" + request["phone"])
        await page.reply(request, code=code)

    # -- messages

    async def _receipt_confirmed(self, _: Connection, confirmation: dict[str, Any]) -> None:
        self.phones.confirm_receipt(confirmation)

    async def _inbound_confirmed(self, page: Connection, confirmation: dict[str, Any]) -> None:
        phone = self.pages.phone_of_page(page)
        if phone is not None:
            self.phones.confirm_inbound(phone, confirmation["id"])

    async def _chat_state(self, page: Connection, message: dict[str, Any]) -> None:
        """An account is typing, or has stopped."""
        phone = self.pages.phone_of_page(page)
        if phone is not None:
            to = self.store.world.phone_of_chat_id(message["to"])
            self.store.record(ChatStateChanged(from_=phone, to=to, state=message["state"]))
