"""The recipients' phones: they receive, read and write, and the accounts' pages hear of it.

A page confirms what it was told. What it has not confirmed is told again when it reconnects, so no
receipt and no message is lost with a page, or with a sandbox, that is killed.
"""

import asyncio
import secrets
import time
from typing import Any

from streams.sandbox.connection import Connection, Pages
from streams.sandbox.state.events import Inbound, Message, Read, Received, Told
from streams.sandbox.state.habits import Habits
from streams.sandbox.state.store import Store
from streams.sandbox.state.world import DELIVERED, READ, Shown
from streams.sandbox.tasks import Background

_RECEIPTS = {DELIVERED: "delivery", READ: "read"}
_ACKS = {name: ack for ack, name in _RECEIPTS.items()}


class Phones:
    """Of all recipients."""

    def __init__(self, store: Store, pages: Pages, habits: Habits, background: Background) -> None:
        self._store = store
        self._pages = pages
        self._habits = habits
        self._background = background

    def got(self, message: Message) -> None:
        """A message is shown; its receipts follow after a while."""
        self._background.spawn(self._react(message))

    async def _react(self, message: Message) -> None:
        if self._habits.delivery_ms is not None:
            await asyncio.sleep(self._habits.delivery_ms / 1000)
            await self._receipt(message, DELIVERED)
        if self._habits.read_ms is not None:
            await asyncio.sleep(self._habits.read_ms / 1000)
            await self.read(message.to, message.from_)

    async def read(self, by: str, to: str) -> int:
        """The recipient reads all that the account wrote; returns how much was unread.

        Raises UnknownAccount.
        """
        unread = list(self._store.world.account(to).unread.get(by, []))
        if unread:
            self._store.record(Read(by=by, to=to))
        for shown in unread:
            await self._receipt(shown.message, READ)
        return len(unread)

    async def write(self, from_: str, to: str, body: str, reply_to: str | None) -> str:
        """Somebody writes to an account; returns the message's id. Raises UnknownAccount."""
        self._store.world.account(to)
        whatsapp_id = "3A" + secrets.token_hex(9).upper()
        said = Inbound(from_=from_, to=to, whatsapp_id=whatsapp_id, body=body, reply_to=reply_to)
        said = self._store.record(said)
        for page in self._pages.of(to):
            await self._tell(page, said)
        return whatsapp_id

    async def catch_up(self, page: Connection, phone: str) -> None:
        """Tell a page that reconnected what it has not confirmed."""
        account = self._store.world.account(phone)
        for said in list(account.inbox.values()):
            await self._tell(page, said)
        for shown in list(account.untold.values()):
            ack = self._due(shown)
            if ack is not None:
                await page.say("receipt", **_receipt(shown.message, ack))

    def _due(self, shown: Shown) -> int | None:
        """A receipt never comes before the ack."""
        if not shown.acked:
            return None
        if shown.ack == READ:
            return READ
        return DELIVERED if self._habits.delivery_ms is not None else None

    async def _receipt(self, message: Message, ack: int) -> None:
        for page in self._pages.of(message.from_):
            await page.say("receipt", **_receipt(message, ack))

    async def _tell(self, page: Connection, said: Inbound) -> None:
        chat_id = self._store.world.chat_id(said.from_)
        await page.say(
            "inbound",
            id=said.whatsapp_id,
            body=said.body,
            quoted=said.reply_to,
            t=int(time.time()),
            **{"from": chat_id},
        )

    # -- what pages confirm

    def told(self, confirmation: dict[str, Any]) -> None:
        """A page has a receipt in its store."""
        to = self._store.world.number(confirmation["from"])
        ack = _ACKS[confirmation["type"]]
        for whatsapp_id in confirmation["ids"]:
            shown = self._store.world.message(to, whatsapp_id)
            if shown is not None and shown.told < ack:
                self._store.record(Told(to=to, whatsapp_id=whatsapp_id, ack=ack))

    def received(self, phone: str, whatsapp_id: str) -> None:
        """A page has an inbound message in its store."""
        if whatsapp_id in self._store.world.account(phone).inbox:
            self._store.record(Received(whatsapp_id=whatsapp_id))


def _receipt(message: Message, ack: int) -> dict[str, Any]:
    return {
        "type": _RECEIPTS[ack],
        "from": message.chat_id,
        "ids": [message.whatsapp_id],
        "t": int(time.time()),
    }
