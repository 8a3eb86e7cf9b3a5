"""Whom this sender's account is to forget: follows `wa.internal.forget`, and answers there. Forgets nobody itself.

An instruction waits in the topic until it is answered, for however long the account is away.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from streams.domain.forgetting import (
    ANSWER_KEPT_S,
    ForgetAnswer,
    ForgetInstruction,
    ForgetRecord,
    decode,
    encode,
)
from streams.domain.sending.claim import Claim
from streams.domain.sending.forgotten import is_to_forget
from streams.kafka.view import CompactedView, ViewRecord
from streams.settings import Settings

Publish = Callable[[str, bytes | None, bytes], Awaitable[object]]


class PendingInstruction(NamedTuple):
    """An instruction that is not answered. `requested_at_s` is its append time."""

    key: bytes
    instruction: ForgetInstruction
    requested_at_s: float

    def covers(self, claim: Claim) -> bool:
        """Whether the claim is to be forgotten because of it."""
        instruction = self.instruction
        return is_to_forget(
            claim, instruction.phone, self.requested_at_s, instruction.before_offset
        )


class ForgetInstructions:
    """The instructions to one account. `publish` takes topic, value and key, and is durable when it returns."""

    def __init__(self, settings: Settings, account: str, topic: str, publish: Publish) -> None:
        self._topic = topic
        self._publish = publish
        self._prefix = f"account/{account}/".encode()
        self.on_change: Callable[[], object] = lambda: None  # something is new in the topic
        self._pending: list[PendingInstruction] | None = None  # as it was last listed
        self._view = CompactedView(settings, topic, on_change=self._on_record)

    async def start(self) -> None:
        """Return once everything is read that was requested before."""
        await self._view.start()
        self._pending = None

    async def stop(self) -> None:
        """Follow the topic no longer."""
        await self._view.stop()

    def covers(self, claim: Claim) -> bool:
        """Whether the claim is to be forgotten, and may not have been yet."""
        if self._pending is None:
            self._pending = self.list_pending()
        return any(pending.covers(claim) for pending in self._pending)

    def list_pending(self) -> list[PendingInstruction]:
        """What is not answered yet, oldest first."""
        pending = [
            PendingInstruction(record.key, instruction, record.append_s)
            for record in self._view.records()
            if isinstance(instruction := self._decode_own(record), ForgetInstruction)
        ]
        return sorted(pending, key=lambda each: each.requested_at_s)

    async def answer(self, key: bytes, answer: ForgetAnswer) -> None:
        """It is done: the answer takes the place of the instruction, which names the recipient."""
        await self._publish(self._topic, encode(answer), key)

    async def remove_old_answers(self, now_s: float) -> None:
        """Nobody waits for them any more."""
        for record in self._view.records():
            is_old = record.append_s + ANSWER_KEPT_S <= now_s
            if is_old and isinstance(self._decode_own(record), ForgetAnswer):
                await self._publish(self._topic, None, record.key)

    def _decode_own(self, record: ViewRecord) -> ForgetRecord | None:
        """The record, if it is this account's."""
        is_own = record.key.startswith(self._prefix)
        return decode(record.key, record.value) if is_own else None

    def _on_record(self, _key: bytes, _value: bytes | None, _append_s: float) -> None:
        self._pending = None
        self.on_change()
