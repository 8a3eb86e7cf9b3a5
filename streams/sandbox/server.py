"""WhatsApp's server: what pages send, and what they get. HTTP may not appear here.

A message is recorded in the same tick in which it arrives: before its ack, and in the order of arrival.
Faults (state/faults.py) may take effect in this file, in sessions.py and in site.py alone.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from streams.sandbox.connection import Connection, Pages
from streams.sandbox.linking import Linking, lid
from streams.sandbox.phones import Phones
from streams.sandbox.sessions import Sessions
from streams.sandbox.state.events import Message, MessageRefused, NumberLookup, NumbersChanged
from streams.sandbox.state.faults import Defaults, Faults
from streams.sandbox.state.store import Store
from streams.sandbox.tasks import BackgroundTasks
from streams.whatsapp.driver import AckLevel

_NOT_ON_WHATSAPP = 404
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
        self.phones = Phones(store, self.pages, defaults, self._background)
        self.sessions = Sessions(
            store, self.pages, self.faults, self.linking, self.phones, self._background
        )
        self._handlers: dict[str, Callable[[Connection, dict[str, Any]], Awaitable[None]]] = {
            "ping": self.sessions.answer_ping,
            "pair_code": self._pair_code,
            "exists": self._exists,
            "msg": self._message,
            "msg_info": self._message_info,
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
            await page.reply(request, wid=world.chat_id_of_phone(phone), lid=lid(phone))
        else:
            await page.reply(request)

    # -- linking

    async def _pair_code(self, page: Connection, request: dict[str, Any]) -> None:
        code = self.linking.create_pairing_code(page, "+" + request["phone"])
        await page.reply(request, code=code)

    # -- messages

    async def _message(self, page: Connection, incoming: dict[str, Any]) -> None:
        phone = self.pages.phone_of_page(page)
        if phone is None:
            await page.send("unpaired")
            return
        to = self.store.world.phone_of_chat_id(incoming["to"])
        error = self._error_code(phone, to, incoming["id"])
        if error is not None:
            self.store.record(
                MessageRefused(from_=phone, to=to, whatsapp_id=incoming["id"], code=error)
            )
            await page.send("ack", id=incoming["id"], error=error)
            return
        faults = self.sessions.consume_faults(page, to)
        is_ack_lost = bool(faults) or self.faults.consume("ack_lost", phone, to) is not None
        message = self.store.record(self._build_message(phone, to, incoming, acked=not is_ack_lost))
        if message.shown and self.sessions.restrictions.count_message(phone, to):
            await self.sessions.send_restrictions(page, phone)
        for name, value in faults:
            await self.sessions.apply_to_page(page, name, value)
        if message.acked:
            await self._schedule_ack(page, message)

    def _error_code(self, phone: str, to: str, whatsapp_id: str) -> int | None:
        error = self.faults.consume("send_error", phone, to)
        if error is not None:
            return int(error)
        if not self.store.world.is_on_whatsapp(to):
            return _NOT_ON_WHATSAPP
        return self.sessions.restrictions.find_refusal(phone, to, whatsapp_id)

    def _build_message(
        self, phone: str, to: str, incoming: dict[str, Any], *, acked: bool
    ) -> Message:
        return Message(
            from_=phone,
            to=to,
            whatsapp_id=incoming["id"],
            type=incoming["type"],
            body=incoming["body"],
            shown=self.store.world.find_message(to, incoming["id"]) is None,
            acked=acked,
            chat_id=incoming["to"],
            reply_to=incoming["quoted"],
            details=incoming["details"],
        )

    async def _schedule_ack(self, page: Connection, message: Message) -> None:
        fault_delay_ms = self.faults.consume("ack_delay_ms", message.from_, message.to)
        delay_ms = self.defaults.ack_delay_ms if fault_delay_ms is None else int(fault_delay_ms)
        if delay_ms:
            self._background.spawn(self._send_ack_later(page, message, delay_ms / 1000))
        else:
            await self._send_ack(page, message)

    async def _send_ack_later(self, page: Connection, message: Message, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await self._send_ack(page, message)

    async def _send_ack(self, page: Connection, message: Message) -> None:
        await page.send("ack", id=message.whatsapp_id, t=int(time.time()))
        if message.shown:
            self.phones.receive(message)

    async def _message_info(self, page: Connection, request: dict[str, Any]) -> None:
        to = self.store.world.phone_of_chat_id(request["to"])
        shown = self.store.world.find_message(to, request["id"])
        ack = shown.ack if shown else 0
        entries = [{"id": request["to"], "t": int(time.time())}]
        await page.reply(
            request,
            delivery=entries if ack >= AckLevel.DELIVERED else [],
            read=entries if ack >= AckLevel.READ else [],
        )

    async def _receipt_confirmed(self, _: Connection, confirmation: dict[str, Any]) -> None:
        self.phones.confirm_receipt(confirmation)

    async def _inbound_confirmed(self, page: Connection, confirmation: dict[str, Any]) -> None:
        phone = self.pages.phone_of_page(page)
        if phone is not None:
            self.phones.confirm_inbound(phone, confirmation["id"])

    async def _chat_state(self, page: Connection, message: dict[str, Any]) -> None:
        """Somebody is typing. Nothing follows from it."""
