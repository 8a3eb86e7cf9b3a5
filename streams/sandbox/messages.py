"""The server's part in a message: it records the message and answers. Also the uploads of files.

A message is recorded in the same tick in which it arrives: before its ack, and in the order of arrival. The
phone that gets it is in phones.py.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

from streams.sandbox.connection import Connection, Pages
from streams.sandbox.groups import Groups
from streams.sandbox.phones import Phones
from streams.sandbox.sessions import Sessions
from streams.sandbox.state.events import Message, MessageRefused
from streams.sandbox.state.faults import Defaults, Faults, FaultValue
from streams.sandbox.state.store import Store
from streams.sandbox.tasks import BackgroundTasks

_NOT_ON_WHATSAPP = 404
_OK = 200
# With these, the page fails before the message leaves it: the server has never seen it.
_ERRORS_BEFORE_SENDING = ("before_ack", "server_status")


class Messages:
    """The messages of all accounts on their way through the server."""

    def __init__(
        self,
        store: Store,
        pages: Pages,
        defaults: Defaults,
        faults: Faults,
        phones: Phones,
        groups: Groups,
        sessions: Sessions,
        background: BackgroundTasks,
    ) -> None:
        self._groups = groups
        self._store = store
        self._pages = pages
        self._defaults = defaults
        self._faults = faults
        self._phones = phones
        self._sessions = sessions
        self._background = background

    async def receive(self, page: Connection, incoming: dict[str, Any]) -> None:
        """A page has sent a message."""
        phone = self._pages.phone_of_page(page)
        if phone is None:
            await page.send("unpaired")
            return
        to = self._store.world.phone_of_chat_id(incoming["to"])
        error = self._error_code(phone, to, incoming["id"])
        local_error = self._faults.consume("local_error", phone, to)
        if error is not None:
            self._store.record(
                MessageRefused(from_=phone, to=to, whatsapp_id=incoming["id"], code=error)
            )
            delay_ms = int(self._faults.consume("ack_delay_ms", phone, to) or 0)
            await self._answer(delay_ms, page.send("ack", id=incoming["id"], error=error))
        elif local_error in _ERRORS_BEFORE_SENDING:
            await page.send("ack", id=incoming["id"], local_error=local_error)
        else:
            await self._accept(page, phone, to, incoming, local_error)

    def _error_code(self, phone: str, to: str, whatsapp_id: str) -> int | None:
        error = self._faults.consume("send_error", phone, to)
        if error is not None:
            return int(error)
        if _is_group(to):
            return self._groups.find_refusal(phone, to)
        if not self._store.world.is_on_whatsapp(to):
            return _NOT_ON_WHATSAPP
        return self._sessions.restrictions.find_refusal(phone, to, whatsapp_id)

    async def _accept(
        self,
        page: Connection,
        phone: str,
        to: str,
        incoming: dict[str, Any],
        local_error: FaultValue | None,
    ) -> None:
        consume = self._faults.consume
        earlier = self._store.world.find_message(to, incoming["id"])
        faults = self._sessions.consume_faults(page, to)
        is_ack_lost = bool(faults) or consume("ack_lost", phone, to) is not None
        message = self._store.record(
            self._build_message(phone, to, incoming, acked=not is_ack_lost)
        )
        if message.shown and not _is_group(to):
            await self._sessions.count_message(page, phone, to)
        for name, value in faults:
            await self._sessions.apply_to_page(page, name, value)
        has_receipts = earlier is None or not earlier.acked
        if is_ack_lost:
            if has_receipts and consume("receipts_unacked", phone, to) is not None:
                self._phones.receive(message)
            return
        ack: dict[str, Any] = {"id": message.whatsapp_id, "t": int(time.time())}
        if local_error is not None:
            ack["local_error"] = local_error
        await self._schedule_ack(page, message, ack, has_receipts=has_receipts)

    def _build_message(
        self, phone: str, to: str, incoming: dict[str, Any], *, acked: bool
    ) -> Message:
        return Message(
            from_=phone,
            to=to,
            whatsapp_id=incoming["id"],
            type=incoming["type"],
            body=incoming["body"],
            shown=self._store.world.find_message(to, incoming["id"]) is None,
            acked=acked,
            chat_id=incoming["to"],
            reply_to=incoming["quoted"],
            details=incoming["details"],
        )

    async def _schedule_ack(
        self, page: Connection, message: Message, ack: dict[str, Any], *, has_receipts: bool
    ) -> None:
        fault_delay_ms = self._faults.consume("ack_delay_ms", message.from_, message.to)
        delay_ms = self._defaults.ack_delay_ms if fault_delay_ms is None else int(fault_delay_ms)

        async def accept() -> None:
            await page.send("ack", **ack)
            if has_receipts:
                self._phones.receive(message)

        await self._answer(delay_ms, accept())

    async def _answer(self, delay_ms: int, answer: Awaitable[object]) -> None:
        """Without a delay, before the next message is read."""

        async def answer_later() -> None:
            await asyncio.sleep(delay_ms / 1000)
            await answer

        if delay_ms:
            self._background.spawn(answer_later())
        else:
            await answer

    # -- files

    async def receive_upload(self, upload: dict[str, Any]) -> int:
        """A page uploads a file. Returns the HTTP status."""
        phone = self._store.world.phone_of_device(upload["noise"])
        to = self._store.world.phone_of_chat_id(upload["to"])
        if self._faults.consume("upload_hangs", phone, to) is not None:
            await asyncio.Event().wait()
        error = self._faults.consume("upload_error", phone, to)
        return _OK if error is None else int(error)


def _is_group(to: str) -> bool:
    return to.endswith("@g.us")
