"""WhatsApp's server: pages come, say things and go; messages are taken, or not. Knows no HTTP.

A message is in the store in the very turn in which it arrives: before its ack, and in the order of
arrival. Faults (faults.py) are struck here alone.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from streams.sandbox.connection import Connection, Pages
from streams.sandbox.linking import Linking, lid, wid
from streams.sandbox.phones import Phones
from streams.sandbox.state.events import Message, Number, Numbers, Refused, Unlinked
from streams.sandbox.state.faults import Fault, Faults, Value
from streams.sandbox.state.habits import Habits
from streams.sandbox.state.store import Store
from streams.sandbox.state.world import DELIVERED, READ
from streams.sandbox.tasks import Background

_BLOWS = ("page_crash", "drop_socket", "logout", "restrict")
_NOT_ON_WHATSAPP = 404
_SERVER_ERROR = 500
_RESTRICTED = "TOS_BLOCK"


class Server:
    """One WhatsApp, for all accounts."""

    def __init__(self, store: Store, habits: Habits) -> None:
        self.store = store
        self.faults = Faults()
        self.habits = habits
        self.pages = Pages(lambda noise: self.store.world.phone_of(noise))
        self._background = Background()
        self.linking = Linking(store, self.pages, habits, self._background)
        self.phones = Phones(store, self.pages, habits, self._background)
        self._heard: dict[str, Callable[[Connection, dict[str, Any]], Awaitable[None]]] = {
            "refresh_qr": self._refresh_qr,
            "pair_code": self._pair_code,
            "exists": self._exists,
            "msg": self._message,
            "msg_info": self._message_info,
            "told": self._told,
            "received": self._received,
            "logout": self._logout,
            "chatstate": self._chat_state,
        }

    async def close(self) -> None:
        """End what still runs, and every connection."""
        await self._background.cancel()
        for page in self.pages.all():
            await page.cut()

    async def reset(self) -> None:
        """A clean world: no faults, nothing said, no account; every page shows a QR code."""
        await self._background.cancel()
        self.faults.clear()
        self.store.reset()
        for page in self.pages.all():
            await page.say("unpaired")

    # -- pages come and go

    async def connected(self, page: Connection, thinks_it_is_linked: bool) -> None:
        """A page has said who it is."""
        before = self.pages.add(page)
        if before is not None:
            await before.say("conflict")
            await before.cut()
        blows = self._blows(page, None)
        if "drop_socket" not in (name for name, _ in blows):  # such a page hears nothing at all
            await self._greet(page, thinks_it_is_linked)
        for name, value in blows:
            await self._blow(page, name, value)

    async def _greet(self, page: Connection, thinks_it_is_linked: bool) -> None:
        phone = self.pages.phone(page)
        if phone is not None:
            await self._welcome(page, phone)
        elif thinks_it_is_linked:
            await page.say("unpaired")
        else:
            self.linking.show_codes(page)

    async def _welcome(self, page: Connection, phone: str) -> None:
        page.restricted = False
        await page.say("welcome", me=wid(phone), lid=lid(phone))
        await self.phones.catch_up(page, phone)

    def gone(self, page: Connection) -> None:
        """A page has closed its connection, or died."""
        self.linking.hide_codes(page)
        self.pages.remove(page)

    async def heard(self, page: Connection, message: dict[str, Any]) -> None:
        """A page says something."""
        await self._heard[message["op"]](page, message)

    async def unlink(self, phone: str) -> None:
        """The phone unlinks all its devices. Raises UnknownAccount."""
        for noise in sorted(self.store.world.account(phone).devices):
            self.store.record(Unlinked(noise=noise))
            for page in self.pages.all():
                if page.keys.noise == noise:
                    await page.say("unpaired")

    # -- faults

    async def bring(self, faults: list[Fault]) -> None:
        """Strike with those that do not wait for anything."""
        for fault in faults:
            if fault.name == "logout" and fault.over:
                await self._unlink_all(fault.account)
            elif fault.over:
                for page in self.pages.of(fault.account):
                    await self._blow(page, fault.name, fault.value)
        if any(fault.at_once and not fault.over for fault in faults):
            for page in self.pages.all():
                await self.strike(page)

    async def _unlink_all(self, phone: str | None) -> None:
        """Also of an account that is not connected: the phone does it, not the page."""
        for each in [phone] if phone else sorted(self.store.world.accounts):
            await self.unlink(each)

    async def heal(self) -> None:
        """From now on all works, also for those that were restricted."""
        self.faults.clear()
        for page in self.pages.all():
            phone = self.pages.phone(page)
            if page.restricted and phone is not None:
                await self._welcome(page, phone)

    async def strike(self, page: Connection) -> None:
        """With every fault that lies in wait for this connection."""
        for name, value in self._blows(page, None):
            await self._blow(page, name, value)

    def _blows(self, page: Connection, number: str | None) -> list[tuple[str, Value]]:
        phone = self.pages.phone(page)
        taken = [(name, self.faults.take(name, phone, number)) for name in _BLOWS]
        return [(name, value) for name, value in taken if value is not None]

    async def _blow(self, page: Connection, name: str, value: Value) -> None:
        phone = self.pages.phone(page)
        match name:
            case "page_crash":
                await page.say("crash")
            case "drop_socket":
                await page.cut()
            case "restrict":
                page.restricted = True
                await page.say("restricted", mode=value if isinstance(value, str) else _RESTRICTED)
            case "logout" if phone is not None:
                await self.unlink(phone)

    # -- numbers

    def set_numbers(self, numbers: dict[str, Number]) -> None:
        """From now on look-ups answer this."""
        self.store.record(Numbers(numbers=numbers))

    async def _exists(self, page: Connection, asked: dict[str, Any]) -> None:
        world = self.store.world
        phone = world.number(asked["wid"])
        error = self.faults.take("lookup_error", self.pages.phone(page), phone)
        if error is not None:
            code = _SERVER_ERROR if error is True else error
            await page.answer(asked, error=code)
        elif world.exists(phone):
            await page.answer(asked, wid=world.chat_id(phone), lid=lid(phone))
        else:
            await page.answer(asked)

    # -- linking

    async def _refresh_qr(self, page: Connection, _: dict[str, Any]) -> None:
        self.linking.show_codes(page)

    async def _pair_code(self, page: Connection, asked: dict[str, Any]) -> None:
        code = self.linking.pairing_code(page, "+" + asked["phone"])
        await page.answer(asked, code=code)

    async def _logout(self, page: Connection, asked: dict[str, Any]) -> None:
        if self.pages.phone(page) is not None:
            self.store.record(Unlinked(noise=page.keys.noise))
        await page.answer(asked)

    # -- messages

    async def _message(self, page: Connection, said: dict[str, Any]) -> None:
        phone = self.pages.phone(page)
        if phone is None:
            await page.say("unpaired")
            return
        to = self.store.world.number(said["to"])
        error = self._error(phone, to)
        if error is not None:
            self.store.record(Refused(from_=phone, to=to, whatsapp_id=said["id"], code=error))
            await page.say("ack", id=said["id"], error=error)
            return
        blows = self._blows(page, to)
        lost = bool(blows) or self.faults.take("ack_lost", phone, to) is not None
        message = self.store.record(self._taken(phone, to, said, acked=not lost))
        for name, value in blows:
            await self._blow(page, name, value)
        if message.acked:
            await self._ack(page, message)

    def _error(self, phone: str, to: str) -> int | None:
        error = self.faults.take("send_error", phone, to)
        if error is not None:
            return int(error)
        return None if self.store.world.exists(to) else _NOT_ON_WHATSAPP

    def _taken(self, phone: str, to: str, said: dict[str, Any], *, acked: bool) -> Message:
        return Message(
            from_=phone,
            to=to,
            whatsapp_id=said["id"],
            type=said["type"],
            body=said["body"],
            shown=self.store.world.message(to, said["id"]) is None,
            acked=acked,
            chat_id=said["to"],
            reply_to=said["quoted"],
            more=said["more"],
        )

    async def _ack(self, page: Connection, message: Message) -> None:
        asked_ms = self.faults.take("ack_delay_ms", message.from_, message.to)
        delay_ms = self.habits.ack_delay_ms if asked_ms is None else int(asked_ms)
        if delay_ms:
            self._background.spawn(self._ack_later(page, message, delay_ms / 1000))
        else:
            await self._ack_now(page, message)

    async def _ack_later(self, page: Connection, message: Message, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await self._ack_now(page, message)

    async def _ack_now(self, page: Connection, message: Message) -> None:
        await page.say("ack", id=message.whatsapp_id, t=int(time.time()))
        if message.shown:
            self.phones.got(message)

    async def _message_info(self, page: Connection, asked: dict[str, Any]) -> None:
        to = self.store.world.number(asked["to"])
        shown = self.store.world.message(to, asked["id"])
        ack = shown.ack if shown else 0
        seen = [{"id": asked["to"], "t": int(time.time())}]
        await page.answer(
            asked, delivery=seen if ack >= DELIVERED else [], read=seen if ack >= READ else []
        )

    async def _told(self, _: Connection, said: dict[str, Any]) -> None:
        self.phones.told(said)

    async def _received(self, page: Connection, said: dict[str, Any]) -> None:
        phone = self.pages.phone(page)
        if phone is not None:
            self.phones.received(phone, said["id"])

    async def _chat_state(self, page: Connection, said: dict[str, Any]) -> None:
        """Somebody types; nobody looks."""
