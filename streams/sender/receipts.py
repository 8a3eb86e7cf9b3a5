"""What the recipients' phones say of our messages: `delivered`, `read`, `played`, each told once.

The event is on the phone's log before the row knows of it: after a crash it is told again, never
forgotten. Receipts are lost while a page is replaced, so the acks of messages that are not read yet
are asked for whenever the session becomes ready; of the latest ones only, since WhatsApp Web loads each
that is asked for from its disk.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final

from streams.domain.phone.events import ReceiptSeen, OutcomeUnknown, Sent
from streams.domain.sending import claim as claims
from streams.domain.sending.claim import ReceiptKind, Claim
from streams.sender.claims import Claims
from streams.sender.metrics import Metrics
from streams.whatsapp.driver import Driver, Receipt, Received
from streams.whatsapp.errors import BrowserError

log = logging.getLogger(__name__)

ASKED_FOR: Final = 200  # the latest messages whose acks are read again
AT_ONCE: Final = 50
# Receipts come in flocks, and nobody waits for one: a flock costs one request instead of many.
GATHER_S: Final = 0.05
_NAMES: Final[Mapping[int, ReceiptKind]] = {2: "delivered", 3: "read", 4: "played"}

Publish = Callable[[Sequence[ReceiptSeen]], Awaitable[object]]


class Receipts:
    """`heard` and `ask_again` may be called at any time; `run` does the work."""

    def __init__(self, *, account: str, rows: Claims, publish: Publish, metrics: Metrics) -> None:
        self._account = account
        self._rows = rows
        self._publish = publish
        self._metrics = metrics
        self._heard: asyncio.Queue[Receipt] = asyncio.Queue()
        self._unread: OrderedDict[str, str] = OrderedDict()  # id and chat id, the latest last

    # -- who is to be asked for

    def watch(self, whatsapp_id: str, claim: Claim) -> None:
        """A row as it is now: while it was sent and not read, its ack is worth asking for."""
        self._unread.pop(whatsapp_id, None)
        unread = claim.receipt in ("", "delivered") and isinstance(claim.result, Sent | OutcomeUnknown)
        if unread and claim.chat_id is not None:
            self._unread[whatsapp_id] = claim.chat_id
            if len(self._unread) > ASKED_FOR:
                self._unread.popitem(last=False)

    # -- hearing

    def heard(self, receipt: Receipt | Received) -> None:
        """From the driver. Messages to us are not passed on yet."""
        if isinstance(receipt, Receipt):
            self._heard.put_nowait(receipt)

    async def ask_again(self, driver: Driver) -> None:
        """Read the acks of the latest messages that are not read yet."""
        pairs = list(self._unread.items())
        for first in range(0, len(pairs), AT_ONCE):
            try:
                acks = await driver.read_acks(pairs[first : first + AT_ONCE])
            except BrowserError as error:
                log.info("acks cannot be read now: %s", error)
                return  # they are asked for when the session is ready again
            for whatsapp_id, ack in acks.items():
                if ack in _NAMES:
                    self.heard(Receipt(whatsapp_id, _NAMES[ack], time.time()))  # pyright: ignore[reportArgumentType] - never ""

    # -- telling

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            batch = [await self._heard.get()]
            await asyncio.sleep(GATHER_S)
            waiting = min(self._heard.qsize(), AT_ONCE)
            batch += [self._heard.get_nowait() for _ in range(waiting)]
            await self._tell(batch)

    async def _tell(self, batch: Sequence[Receipt]) -> None:
        news = list(self._news(batch))
        if news:
            await self._publish(news)
            for acked in news:
                self._remember(acked)

    def _news(self, batch: Sequence[Receipt]) -> Iterator[ReceiptSeen]:
        """Those that say more than what is known, in their order."""
        known: dict[str, Claim] = {}
        for receipt in batch:
            name = receipt.whatsapp_id
            row = known.get(name) or self._rows.get(name)
            after = None if row is None else claims.with_receipt(row, receipt.ack_name)
            if after is None:
                continue  # a message that a person wrote on the phone, or nothing new
            known[name] = after
            yield ReceiptSeen(
                phone=after.phone,
                id=after.id,
                account=self._account,
                whatsapp_id=name,
                receipt=receipt.ack_name,
                at_s=receipt.at_s,
            )

    def _remember(self, acked: ReceiptSeen) -> None:
        """The row may have been answered meanwhile: it is read again."""
        row = self._rows.get(acked.whatsapp_id)
        after = None if row is None else claims.with_receipt(row, acked.receipt)
        self._metrics.receipts.labels(acked.receipt).inc()
        if after is not None:
            self.watch(acked.whatsapp_id, after)
            self._rows.put_later(acked.whatsapp_id, after)
