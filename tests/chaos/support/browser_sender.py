"""A sender in this process with a real browser, and the dispatcher that the test plays. Judges nothing.

Its Kafka is a table in memory, so a test can act between two steps of a message, and ends them exactly.
"""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec

from streams.domain.errors import ErrorClass
from streams.domain.phone.events import Deferred, Failed, Result
from streams.domain.sending.message_id import derive_whatsapp_id
from streams.whatsapp.driver import Phase
from tests.sender.fast import FastSender, make_command
from tests.support.sandbox import SandboxControl
from tests.support.waiting import wait_until

DEADLINE_S = 60.0
RETRY_DELAY_S = 0.2


def id_of(phone: str, request_id: str) -> str:
    """The WhatsApp id of a request's message."""
    return derive_whatsapp_id("wa", "main", phone, request_id)


@contextlib.asynccontextmanager
async def running(sender: FastSender, control: SandboxControl) -> AsyncIterator[None]:
    """Link the sender, and read its receipts until the block ends."""
    sender.restrictions.load()
    sender.new_chats.load()
    sender.pipeline.open()
    sender.session.open()
    reading = asyncio.create_task(sender.receipts.run())
    try:
        await wait_until(lambda: sender.session.state.qr)
        await control.scan(str(sender.session.state.qr))
        await wait_until(lambda: sender.session.state.phase is Phase.READY)
        yield
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await sender.close()
    assert sender.failures == []


@dataclass
class Dispatcher:
    """Dispatches a message again until it is not to be tried again."""

    sender: FastSender
    results: dict[str, Result] = field(default_factory=dict)
    repeats: Counter[str] = field(default_factory=Counter)

    async def send(self, phone: str, text: str, **fields: object) -> None:
        """To its end."""
        for number in itertools.count(1):
            result = await self.dispatch(phone, text, number, **fields)
            if not _is_tried_again(result):
                self.results[text] = result
                return
            self.repeats[_describe(result)] += 1
            await asyncio.sleep(RETRY_DELAY_S)
            await wait_until(lambda: self.sender.session.state.phase is Phase.READY)

    async def dispatch(self, phone: str, text: str, number: int, **fields: object) -> Result:
        """Dispatch it once; returns the outcome."""
        command = make_command(text, number=number, timeout_s=DEADLINE_S, chat_id=None, **fields)
        await self.sender.dispatch(msgspec.structs.replace(command, phone=phone))

        def find() -> list[Result]:
            return [o.result for o in self.sender.outcomes(text) if o.dispatch_number == number]

        await wait_until(find, timeout_s=2 * DEADLINE_S, message=f"{text} has no outcome")
        return find()[0]


def _is_tried_again(result: Result) -> bool:
    """As streams/domain/phone/handlers/outcomes.py decides."""
    is_failed = isinstance(result, Failed)
    return isinstance(result, Deferred) or (
        is_failed and result.error.error_class is ErrorClass.TRANSIENT
    )


def _describe(result: Result) -> str:
    if isinstance(result, Deferred) and result.in_doubt:
        return "in doubt"
    return result.error.code if isinstance(result, Deferred | Failed) else "?"
