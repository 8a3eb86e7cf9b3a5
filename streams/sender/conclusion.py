"""The record of a dispatch, and its end: row, outcome, acknowledgement.

In this order, so that a result that was published is known after a crash and never changes. `Sent` is
the exception: its outcome is published while its row is being written, because a sender that finds
the claim still open reconciles the message, and publishes the same.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from streams.domain.phone.events import Outcome, Result, Sent
from streams.domain.sending import claim as claims
from streams.domain.sending import command
from streams.domain.sending.claim import Claim
from streams.domain.sending.command import SendCommand
from streams.domain.sending.message_id import derive_whatsapp_id
from streams.runtime.batching import ITERATIONS_TO_NEXT_RECORD, join_next_request
from streams.sender.attempts.runner import RunningAttempt
from streams.sender.claim_store import ClaimStore

log = logging.getLogger(__name__)

Publish = Callable[[Sequence[Outcome]], Awaitable[object]]
OnConcluded = Callable[[str, Claim], object]


class SendRecord(Protocol):
    """A record of the send topic: of Faust's event only what the sender needs."""

    @property
    def value(self) -> bytes | None:
        """What was written."""
        ...

    def ack(self) -> object:
        """Acknowledge it: it need not be read again."""
        ...


@dataclass(slots=True, eq=False)
class PendingDispatch:
    """A dispatch that was accepted and is not acknowledged yet."""

    record: SendRecord
    command: SendCommand
    whatsapp_id: str
    running: RunningAttempt | None = (
        None  # None: an earlier dispatch of the same message goes first
    )

    @property
    def is_submitted(self) -> bool:
        """The page was given the message, in this process."""
        return self.running is not None and self.running.attempt.submit_count > 0

    @property
    def may_have_arrived(self) -> bool:
        """An attempt of it, in this process, has seen that an earlier copy may have arrived."""
        return self.running is not None and self.running.attempt.may_have_arrived


def decode_dispatch(
    record: SendRecord, appended_at_s: float, offset: int, *, namespace: str, account: str
) -> PendingDispatch | None:
    """The dispatch of this record, which the broker appended at this time; None if it is not a command."""
    if record.value is None:
        return None
    try:
        send_command = command.decode(record.value, appended_at_s, offset)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Without the exception, whose text may hold a phone number.
        log.error("a record of the send topic is not a command: skipped")  # noqa: TRY400
        return None
    whatsapp_id = derive_whatsapp_id(namespace, account, send_command.phone, send_command.id)
    return PendingDispatch(record, send_command, whatsapp_id)


Conclusion = tuple[PendingDispatch, Result]


class ResultWriter:
    """Stores and publishes results, many at once.

    `on_concluded` gets the row of each dispatch: with its result, or still open if the message is in doubt.
    """

    def __init__(
        self,
        *,
        account: str,
        claim_store: ClaimStore,
        publish: Publish,
        on_concluded: OnConcluded,
        now_s: Callable[[], float],
    ) -> None:
        self._account = account
        self._claim_store = claim_store
        self._publish = publish
        self._on_concluded = on_concluded
        self._now_s = now_s

    async def write(self, batch: Sequence[Conclusion]) -> None:
        """Rows and outcomes are durable when this returns, and the records acknowledged."""
        sent = [item for item in batch if isinstance(item[1], Sent)]
        await asyncio.gather(*(self._store(*item) for item in batch if item not in sent))
        await asyncio.gather(*(self._store(*item) for item in sent), self._publish_outcomes(batch))
        for dispatch, _ in batch:
            dispatch.record.ack()

    async def _store(self, dispatch: PendingDispatch, result: Result) -> None:
        previous = self._claim_store.get(dispatch.whatsapp_id)
        claim = claims.concluded_claim(
            dispatch.command,
            previous,
            result,
            self._now_s(),
            may_have_arrived=dispatch.may_have_arrived,
        )
        row = claim or previous
        if row is not None:
            self._on_concluded(dispatch.whatsapp_id, row)
        if claim is not None:
            await self._claim_store.put(dispatch.whatsapp_id, claim)

    async def _publish_outcomes(self, batch: Sequence[Conclusion]) -> None:
        await join_next_request(ITERATIONS_TO_NEXT_RECORD)
        await self._publish([self._make_outcome(*item) for item in batch])

    def _make_outcome(self, dispatch: PendingDispatch, result: Result) -> Outcome:
        running = dispatch.running
        # Read once more, and as late as possible: the recipient may have been forgotten since `_store` read the row.
        # An outcome that does not name its message then could end a later one with the same id.
        claim = self._claim_store.get(dispatch.whatsapp_id)
        is_forgotten = claim is not None and claim.is_forgotten
        return Outcome(
            phone=dispatch.command.phone,
            id=dispatch.command.id,
            dispatch_number=dispatch.command.dispatch_number,
            account=self._account,
            whatsapp_id=dispatch.whatsapp_id,
            result=result,
            chat_id=running.attempt.looked_up_chat_id if running else None,
            accepted_offset=dispatch.command.accepted_offset if is_forgotten else -1,
        )
