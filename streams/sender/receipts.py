"""Receipts: late acks of the server (`sent`), and of the recipients' phones (`delivered`, `read`, `played`).

Each is published once, and `sent` only for a message that is not concluded as sent. The event is on the phone
log before the row remembers it: after a crash it is published again, never lost. Receipts are lost while a
page is replaced, so the acks of messages that are in doubt, unknown, or not read yet are read whenever the
session becomes ready. Only of the latest messages, because WhatsApp Web loads each of them from its disk.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from streams.domain.phone.events import OutcomeUnknown, ReceiptSeen, Sent
from streams.domain.sending import claim as claims
from streams.domain.sending.claim import Claim
from streams.sender.claim_store import ClaimStore
from streams.sender.metrics import Metrics
from streams.whatsapp.driver import RECEIPT_KINDS_BY_ACK, Driver, Receipt
from streams.whatsapp.errors import BrowserError

log = logging.getLogger(__name__)

MAX_WATCHED: Final = 200  # the latest messages of each kind whose acks are read again
BATCH_SIZE: Final = 50
# Receipts come in bursts, and nothing waits for one: a burst costs one request instead of many.
BATCH_DELAY_S: Final = 0.05

Publish = Callable[[Sequence[ReceiptSeen]], Awaitable[object]]


class ReceiptTracker:
    """`receive` and `refresh_acks` may be called at any time; `run` does the work."""

    def __init__(
        self,
        *,
        account: str,
        claim_store: ClaimStore,
        publish: Publish,
        metrics: Metrics,
        now_s: Callable[[], float],
    ) -> None:
        self._account = account
        self._claim_store = claim_store
        self._publish = publish
        self._metrics = metrics
        self._now_s = now_s
        self._received: asyncio.Queue[Receipt] = asyncio.Queue()
        # WhatsApp id and chat id, the latest last.
        self._unproved: OrderedDict[str, str] = (
            OrderedDict()
        )  # nothing says yet that they were sent
        self._unread: OrderedDict[str, str] = OrderedDict()

    # -- which acks are read again

    def watch(self, whatsapp_id: str, claim: Claim) -> None:
        """Note the row of a message after its dispatch: its ack is read again until the message is read."""
        self._unproved.pop(whatsapp_id, None)
        self._unread.pop(whatsapp_id, None)
        if claim.chat_id is None or claim.receipt in ("read", "played"):
            return
        if claim.receipt or isinstance(claim.result, Sent):
            watched = self._unread
        elif claim.is_open or isinstance(claim.result, OutcomeUnknown):
            watched = self._unproved
        else:
            return
        watched[whatsapp_id] = claim.chat_id
        if len(watched) > MAX_WATCHED:
            watched.popitem(last=False)

    def forget(self, whatsapp_id: str) -> None:
        """Its recipient is forgotten: its ack is not read any more."""
        self._unproved.pop(whatsapp_id, None)
        self._unread.pop(whatsapp_id, None)

    # -- receiving

    def receive(self, receipt: Receipt) -> None:
        """Take a receipt of the driver."""
        self._received.put_nowait(receipt)

    async def refresh_acks(self, driver: Driver) -> None:
        """Read the acks of the latest messages that are in doubt, unknown, or not read yet."""
        pairs = [*self._unproved.items(), *self._unread.items()]
        for start in range(0, len(pairs), BATCH_SIZE):
            try:
                acks = await driver.read_acks(pairs[start : start + BATCH_SIZE])
            except BrowserError as error:
                log.info("acks cannot be read now: %s", error)
                return  # they are read when the session is ready again
            for whatsapp_id, ack in acks.items():
                kind = RECEIPT_KINDS_BY_ACK.get(ack)
                if kind is not None:
                    self.receive(Receipt(whatsapp_id, kind, self._now_s()))

    # -- publishing

    async def run(self) -> None:
        """Publish receipts until cancelled."""
        while True:
            batch = [await self._received.get()]
            await asyncio.sleep(BATCH_DELAY_S)
            queued_count = min(self._received.qsize(), BATCH_SIZE)
            batch += [self._received.get_nowait() for _ in range(queued_count)]
            await self._publish_batch(batch)

    async def _publish_batch(self, batch: Sequence[Receipt]) -> None:
        receipt_events = list(self._select_new(batch))
        if receipt_events:
            await self._publish(receipt_events)
            for receipt_event in receipt_events:
                self._store_receipt(receipt_event)

    def _select_new(self, batch: Sequence[Receipt]) -> Iterator[ReceiptSeen]:
        """The receipts that go beyond what the row has, in their order."""
        updated_claims: dict[str, Claim] = {}
        for receipt in batch:
            whatsapp_id = receipt.whatsapp_id
            claim = updated_claims.get(whatsapp_id) or self._claim_store.get(whatsapp_id)
            is_wanted = claim is not None and not claim.is_forgotten
            updated = claims.with_receipt(claim, receipt.kind) if claim and is_wanted else None
            if updated is None:
                continue  # a message that a person wrote on the phone, or an old receipt
            updated_claims[whatsapp_id] = updated
            yield ReceiptSeen(
                phone=updated.phone,
                id=updated.id,
                account=self._account,
                whatsapp_id=whatsapp_id,
                receipt=receipt.kind,
                at_s=receipt.at_s,
            )

    def _store_receipt(self, receipt_event: ReceiptSeen) -> None:
        """Write the receipt to the row of now, which may have got a result meanwhile."""
        claim = self._claim_store.get(receipt_event.whatsapp_id)
        updated = None if claim is None else claims.with_receipt(claim, receipt_event.receipt)
        self._metrics.receipts.inc(receipt_event.receipt)
        if receipt_event.whatsapp_id in self._unproved:
            self._metrics.doubts_resolved.inc("receipt")
        if updated is not None:
            self.watch(receipt_event.whatsapp_id, updated)
            self._claim_store.put_buffered(receipt_event.whatsapp_id, updated)
