"""Batches and cancels through a real dispatcher, with the test as its sender."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import orjson
import pytest

from streams.contract import batch as contract
from streams.contract.batch import BatchProgress
from streams.operations import messages
from streams.operations.messages import CancelResult
from tests.support.caller import Caller
from tests.support.dispatching import FakeSender
from tests.support.system import SystemUnderTest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker


@pytest.fixture
async def caller(dispatching: SystemUnderTest) -> AsyncIterator[Caller]:
    async with Caller(dispatching.settings).open() as caller:
        yield caller


class Progress:
    """The progress of one batch."""

    def __init__(self, caller: Caller, batch_id: str) -> None:
        self._key = batch_id.encode()
        self._records = caller.follow(caller.names.batches)

    def last(self) -> BatchProgress | None:
        values = [record.value for record in self._records if record.key == self._key]
        return contract.decode(values[-1]) if values else None

    async def wait_until_finished(self) -> BatchProgress:
        await wait_until(lambda: (last := self.last()) is not None and bool(last.finished_at))
        last = self.last()
        assert last is not None
        return last


def new_phone() -> str:
    return f"+90555{uuid4().int % 10_000_000:07}"


async def produce(caller: Caller, body: dict[str, Any]) -> None:
    await caller.produce((orjson.dumps(body), b"k"))


async def test_a_batch_is_sent_rejected_cancelled_and_counted(caller: Caller) -> None:
    """Each member has its own end, and `wa.batches` has the sum of them, also after the batch is produced again."""
    fake_sender = FakeSender(caller)
    await fake_sender.publish_state("ready")
    await fake_sender.skip_existing()
    batch_id, phone = f"b-{uuid4().hex[:8]}", new_phone()
    progress = Progress(caller, batch_id)
    scheduled = {"to": new_phone(), "text": "later", "send_at": "2090-01-01T00:00:00Z"}
    sent = {"to": phone, "text": "hello", "id": f"own-{batch_id}"}
    batch = {
        "type": "batch",
        "batch_id": batch_id,
        "messages": [sent, {"text": "no recipient"}, scheduled, sent],
    }
    await produce(caller, batch)
    command = await fake_sender.take_command()
    assert command.id == f"own-{batch_id}"
    await fake_sender.publish_outcome(command)
    await caller.wait_for_status(f"{batch_id}/1", "rejected")
    await caller.wait_for_status(f"{batch_id}/2", "queued")
    await produce(caller, {"type": "cancel", "batch_id": batch_id, "request_id": f"c-{batch_id}"})
    await caller.wait_for_status(f"{batch_id}/2", "cancelled")
    last = await progress.wait_until_finished()
    counts = (last.total, last.accepted, last.sent, last.rejected, last.cancelled)
    assert counts == (3, 2, 1, 1, 1)
    await produce(caller, batch)
    await produce(caller, {"type": "cancel", "batch_id": batch_id, "request_id": f"d-{batch_id}"})
    event = await caller.wait_for_status(f"d-{batch_id}", "rejected")
    assert event["error"]["code"] == "too_late_to_cancel"
    assert fake_sender.pending_count == 0
    again = await progress.wait_until_finished()
    assert counts == (again.total, again.accepted, again.sent, again.rejected, again.cancelled)


async def test_cancelling_one_message_and_nothing(caller: Caller) -> None:
    """A message that waits ends as `cancelled`; a cancel that finds nothing is answered under its own id."""
    phone, request_id = new_phone(), uuid4().hex
    await produce(
        caller, {"id": request_id, "to": phone, "text": "x", "send_at": "2090-01-01T00:00:00Z"}
    )
    await produce(caller, {"type": "cancel", "to": phone, "id": request_id})
    await caller.wait_for_status(request_id, "cancelled")
    cancel_id = uuid4().hex
    await produce(caller, {"type": "cancel", "to": phone, "request_id": cancel_id})
    event = await caller.wait_for_status(cancel_id, "rejected")
    assert (event["error"]["code"], event["to"]) == ("unknown_request", phone)


async def test_the_command_waits_for_what_its_cancel_did(caller: Caller) -> None:
    """It counts the messages of a batch or a recipient, finds one message, and returns the refusal of a typo."""
    batch_id, phone = f"b-{uuid4().hex[:8]}", new_phone()
    later = {"to": phone, "text": "x", "send_at": "2090-01-01T00:00:00Z"}
    await produce(caller, {"type": "batch", "batch_id": batch_id, "messages": [later, later]})
    await produce(caller, later | {"id": f"own-{batch_id}"})
    await caller.wait_for_status(f"own-{batch_id}", "queued")
    await caller.wait_for_status(f"{batch_id}/1", "queued")

    async def cancel(to: str | None, id: str | None, name: str | None) -> CancelResult:
        return await messages.cancel(
            caller.settings, to, id, batch_id=name, request_id=None, timeout_s=60.0
        )

    assert (await cancel(None, None, batch_id)).cancelled == 2
    assert (await cancel(phone, f"own-{batch_id}", None)).cancelled == 1
    for result in (await cancel(None, None, f"typo-{batch_id}"), await cancel(phone, "typo", None)):
        assert result.error is not None
        assert (result.cancelled, result.error.code) == (0, "unknown_request")
