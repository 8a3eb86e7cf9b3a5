"""The recipients' phones: they receive, read and write. The accounts' pages are informed.

A page confirms each receipt and each message. What it has not confirmed is sent again when it
reconnects, so a kill of the page or of the sandbox loses no receipt and no message. A receipt may
never be sent before the ack.
"""

import asyncio
import base64
import time
from datetime import datetime
from typing import Any

from streams.sandbox.connection import Connection, Pages
from streams.sandbox.groups import Groups
from streams.sandbox.state.events import (
    Inbound,
    InboundConfirmed,
    Message,
    MessagesRead,
    ReceiptConfirmed,
)
from streams.sandbox.state.faults import Defaults, Faults
from streams.sandbox.state.store import Store
from streams.sandbox.state.world import ShownMessage
from streams.sandbox.tasks import BackgroundTasks
from streams.whatsapp.driver import AckLevel

# The words of WhatsApp's wire for the two levels that a receipt reports.
_RECEIPT_TYPES = {AckLevel.DELIVERED: "delivery", AckLevel.READ: "read"}
_ACK_LEVELS = {word: level for level, word in _RECEIPT_TYPES.items()}


class Phones:
    """The phones of all recipients."""

    def __init__(
        self,
        store: Store,
        pages: Pages,
        defaults: Defaults,
        faults: Faults,
        groups: Groups,
        background: BackgroundTasks,
    ) -> None:
        self._groups = groups
        self._store = store
        self._pages = pages
        self._defaults = defaults
        self._faults = faults
        self._background = background

    def receive(self, message: Message) -> None:
        """A message is shown. Its receipts follow later; one to oneself has none."""
        if message.to != message.from_:
            self._background.spawn(self._send_receipts(message))

    async def _send_receipts(self, message: Message) -> None:
        delay_ms = self._faults.consume("receipt_delay_ms", message.from_, message.to)
        await asyncio.sleep(int(delay_ms or 0) / 1000)
        if self._has_fault("receipts_reordered", message):
            await self._read_all(message)
        if self._defaults.delivery_ms is not None:
            await asyncio.sleep(self._defaults.delivery_ms / 1000)
            await self._send_receipt(message, AckLevel.DELIVERED)
        if self._defaults.read_ms is not None:
            await asyncio.sleep(self._defaults.read_ms / 1000)
            await self._read_all(message)

    async def _read_all(self, message: Message) -> None:
        """Whoever has got the message reads it."""
        for member in self._groups.list_receivers(message):
            await self._groups.read_messages(member, message.from_, message.to)
        if message.to not in self._store.world.groups:
            await self.read_messages(message.to, message.from_)

    def _has_fault(self, name: str, message: Message) -> bool:
        return self._faults.consume(name, message.from_, message.to) is not None

    async def read_messages(self, by: str, to: str) -> int:
        """The recipient reads all messages of the account. Returns how many were unread.

        Raises UnknownAccount.
        """
        unread = list(self._store.world.get_account(to).unread.get(by, []))
        if unread:
            self._store.record(MessagesRead(by=by, to=to))
        for shown in unread:
            await self._send_receipt(shown.message, AckLevel.READ)
        return len(unread)

    async def write_to_account(self, inbound: Inbound) -> str:
        """Somebody writes to an account. Returns the message's id. Raises UnknownAccount."""
        self._store.world.get_account(inbound.to)
        recorded = self._store.record(inbound)
        for page in self._pages.of_account(inbound.to):
            async with page.inbound_lock:
                await self._send_inbound(page, recorded)
        return recorded.whatsapp_id

    async def catch_up(self, page: Connection, phone: str) -> None:
        """Send a page that has reconnected what it has not confirmed."""
        account = self._store.world.get_account(phone)
        async with page.inbound_lock:  # what comes meanwhile follows
            for inbound in list(account.inbox.values()):
                await self._send_inbound(page, inbound)
        for shown in list(account.unconfirmed.values()):
            if shown.message.to in self._store.world.groups:
                if shown.acked and self._defaults.delivery_ms is not None:
                    await self._groups.send_receipts_again(page, shown)
                continue
            ack = self._receipt_due(shown)
            if ack is not None:
                await page.send("receipt", **_receipt_fields(shown.message, ack))

    def _receipt_due(self, shown: ShownMessage) -> AckLevel | None:
        """The receipt to send again, if any. It never comes before the ack."""
        if not shown.acked:
            return None
        if shown.ack == AckLevel.READ:
            return AckLevel.READ
        return AckLevel.DELIVERED if self._defaults.delivery_ms is not None else None

    async def _send_receipt(self, message: Message, ack: AckLevel) -> None:
        times = 2 if self._has_fault("receipts_repeated", message) else 1
        for member in self._groups.list_receivers(message) * times:
            await self._groups.send_receipt(message, member, ack)
        if message.to in self._store.world.groups:
            return
        for page in self._pages.of_account(message.from_) * times:
            await page.send("receipt", **_receipt_fields(message, ack))

    async def _send_inbound(self, page: Connection, inbound: Inbound) -> None:
        ids = self._store.world.ids_of_phone(inbound.from_)
        quoted = self._store.world.find_message(inbound.from_, inbound.reply_to or "")
        has_lid = self._defaults.lid_chats or inbound.is_hidden
        await page.send(
            "inbound",
            id=inbound.whatsapp_id,
            type=inbound.type,
            body=inbound.body,
            details=inbound.details,
            group=inbound.group,
            name=inbound.name,
            target=inbound.target,
            quoted=inbound.reply_to,
            quoted_body=quoted.message.body if quoted else None,
            t=int(datetime.fromisoformat(inbound.at).timestamp()),
            pn=None if inbound.is_hidden else ids.pn,
            **{"from": ids.lid if has_lid else ids.pn},
        )

    def serve_file(self, whatsapp_id: str) -> tuple[int, bytes]:
        """The HTTP status, and the file of a message to an account."""
        error = self._faults.consume("download_error", None)
        if error is not None:
            return int(error), b""
        data = self._store.world.find_file(whatsapp_id)
        return (404, b"") if data is None else (200, base64.b64decode(data))

    # -- what pages confirm

    def confirm_receipt(self, confirmation: dict[str, Any]) -> None:
        """A page has stored a receipt."""
        to = self._store.world.phone_of_chat_id(confirmation["from"])
        ack = _ACK_LEVELS[confirmation["type"]]
        participant = confirmation.get("participant")
        for whatsapp_id in confirmation["ids"]:
            shown = self._store.world.find_message(to, whatsapp_id)
            if shown is None or (participant, ack) in shown.confirmed_members:
                continue
            if participant or shown.confirmed_ack < ack:
                self._store.record(
                    ReceiptConfirmed(
                        to=to, whatsapp_id=whatsapp_id, ack=ack, participant=participant
                    )
                )

    def confirm_inbound(self, phone: str, whatsapp_id: str) -> None:
        """A page has stored an inbound message."""
        if whatsapp_id in self._store.world.get_account(phone).inbox:
            self._store.record(InboundConfirmed(whatsapp_id=whatsapp_id))


def _receipt_fields(message: Message, ack: AckLevel) -> dict[str, Any]:
    return {
        "type": _RECEIPT_TYPES[ack],
        "from": message.chat_id,
        "ids": [message.whatsapp_id],
        "t": int(time.time()),
    }
