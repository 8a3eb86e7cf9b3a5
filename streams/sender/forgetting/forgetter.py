"""Forgets a recipient at one account: its claims, its place among the new recipients, its chat in WhatsApp Web, and the
files that were received in that chat.

Only a ready page can delete a chat, so an instruction waits until there is one. It also waits while a newer message to
the same recipient is on its way: its chat is needed. Each part may be done twice, so a crash needs no care: without an
answer, everything is done again. What sends, and what the dispatcher stores, is not touched here.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from streams.domain.forgetting import ForgetAnswer
from streams.domain.sending.claim import Claim
from streams.domain.sending.forgotten import make_remainder
from streams.sender.claim_store import ClaimStore
from streams.sender.clock import Clock
from streams.sender.forgetting.instructions import ForgetInstructions, PendingInstruction
from streams.sender.inbound.media_store import MediaStore, MediaStoreUnavailable
from streams.sender.pace.recipient_log import RecipientLog
from streams.whatsapp.chats import ChatCalls

log = logging.getLogger(__name__)

RETRY_INTERVAL_S: Final = 5.0
IDLE_INTERVAL_S: Final = 3600.0
_BATCH_SIZE: Final = 100  # rows that are written at once


class Forgetter:
    """`notify` may be called at any time; `run` does the work."""

    def __init__(
        self,
        account: str,
        *,
        instructions: ForgetInstructions,
        claim_store: ClaimStore,
        recipients: RecipientLog,
        media_store: MediaStore,
        get_page: Callable[[], ChatCalls | None],
        on_forgotten: Callable[[str], object],
        clock: Clock,
    ) -> None:
        """`get_page` gives the driver while its session is ready; `on_forgotten` gets the WhatsApp id of each claim."""
        self._account = account
        self._instructions = instructions
        self._claim_store = claim_store
        self._recipients = recipients
        self._media_store = media_store
        self._get_page = get_page
        self._on_forgotten = on_forgotten
        self._clock = clock
        self._answered: set[bytes] = set()
        self._wake_event = asyncio.Event()

    def notify(self) -> None:
        """There may be something to do: an instruction, or a ready page."""
        self._wake_event.set()

    async def run(self) -> None:
        """Until cancelled."""
        self._instructions.on_change = self.notify
        while True:
            self._wake_event.clear()
            await self._instructions.remove_old_answers(self._clock.now_s())
            is_done = await self.run_once()
            try:
                async with asyncio.timeout(IDLE_INTERVAL_S if is_done else RETRY_INTERVAL_S):
                    await self._wake_event.wait()
            except TimeoutError:
                continue

    async def run_once(self) -> bool:
        """Do what can be done now; returns whether that was everything."""
        is_done, instructions = True, self._instructions.list_pending()
        self._answered.intersection_update(pending.key for pending in instructions)
        for pending in instructions:
            if pending.key in self._answered:
                continue  # the topic is read a moment later
            page = self._get_page()
            if page is not None and await self._forget(pending, page):
                self._answered.add(pending.key)
            else:
                is_done = False
        return is_done

    async def _forget(self, pending: PendingInstruction, page: ChatCalls) -> bool:
        phone = pending.instruction.phone
        await self._claim_store.flush()
        claims = [row async for row in self._claim_store.scan_all() if row[1].phone == phone]
        old = [row for row in claims if pending.covers(row[1])]
        if any(claim.is_open for _, claim in claims if not pending.covers(claim)):
            return False
        chat_ids = _list_chat_ids(pending, old)
        has_chat = False
        for chat_id in chat_ids:
            was_there = await page.delete_chat(chat_id)
            if was_there is None:
                return False
            has_chat = has_chat or was_there
        try:
            files = await self._remove_files(phone, chat_ids)
        except MediaStoreUnavailable as error:
            log.warning("the files of a recipient are not removed yet: %s", error)
            return False
        for chat_id in chat_ids:
            await self._recipients.forget(chat_id)
        await self._forget_claims(old)
        await self._instructions.answer(
            pending.key,
            ForgetAnswer(
                account=self._account,
                request_id=pending.instruction.request_id,
                claims=len(old),
                files=files,
                has_chat=has_chat,
                at_s=self._clock.now_s(),
                requested_at_s=pending.requested_at_s,
            ),
        )
        text = "a recipient was forgotten: %d claims, %d files, %s"
        log.warning(text, len(old), files, _describe(has_chat))
        return True

    async def _remove_files(self, phone: str, chat_ids: list[str]) -> int:
        """A file is kept under the number, or under the chat's id while WhatsApp hid the number."""
        chats = dict.fromkeys((phone, *chat_ids))
        return sum([await self._media_store.remove_chat(self._account, chat) for chat in chats])

    async def _forget_claims(self, rows: list[tuple[str, Claim]]) -> None:
        now_s = self._clock.now_s()
        for start in range(0, len(rows), _BATCH_SIZE):
            batch = rows[start : start + _BATCH_SIZE]
            remainders = [
                (whatsapp_id, make_remainder(claim, now_s)) for whatsapp_id, claim in batch
            ]
            await asyncio.gather(*(self._claim_store.put(*each) for each in remainders))
            for whatsapp_id, _ in batch:
                self._on_forgotten(whatsapp_id)


def _list_chat_ids(pending: PendingInstruction, rows: list[tuple[str, Claim]]) -> list[str]:
    """Every form under which the chat may be found: the page knows a chat by its number and by a hidden id."""
    phone = pending.instruction.phone
    own = phone if phone.endswith("@g.us") else f"{phone.removeprefix('+')}@c.us"
    chat_ids = [pending.instruction.chat_id, own, *(claim.chat_id for _, claim in rows)]
    return list(dict.fromkeys(chat_id for chat_id in chat_ids if chat_id is not None))


def _describe(has_chat: bool) -> str:
    return "and its chat" if has_chat else "and there was no chat"
