"""A resolver has looked for a claim while the sender was silent: what it may have ended is not submitted any more."""

from collections.abc import AsyncIterator

import pytest

from streams.domain.phone.events import Deferred, Sent
from streams.domain.sending.resolved import barrier_key, encode_barrier
from streams.testing.memory_table import Disk
from tests.sender.fast import FastSender, make_command


@pytest.fixture
async def sender() -> AsyncIterator[FastSender]:
    """A sender that is not open yet."""
    sender = FastSender()
    yield sender
    await sender.close()
    assert sender.failures == []


def is_refused(result: object) -> bool:
    """Whether it went back unsent, as a claim that came too late."""
    return isinstance(result, Deferred) and result.error.is_deadline_exceeded


async def test_a_claim_behind_a_foreign_record_is_refused(sender: FastSender) -> None:
    """Its message was published before the record was noticed; the next one was published later and is sent."""
    await sender.open()
    assert isinstance(await sender.send(make_command("before")), Sent)
    sender.table.foreign_records, sender.send_end = 1, sender.send_end + 1
    await sender.claims.write(b"another row", b"")
    assert sender.claims.resolved.noticed_before == sender.send_end
    sender.send_end -= 1  # what is delivered next has been in the topic already
    assert is_refused(await sender.send(make_command("published before")))
    assert isinstance(await sender.send(make_command("published later")), Sent)
    assert [message.content["body"] for message in sender.driver.sent] == [
        "before",
        "published later",
    ]


async def test_the_claim_itself_notices_the_foreign_record(sender: FastSender) -> None:
    """Its command is in the send topic, so it lies before the end that is read then."""
    await sender.open()
    sender.table.foreign_records = 1
    real_end = sender.send_end + 1

    async def read_send_end() -> int:
        return real_end

    sender.claims._read_send_end = read_send_end
    assert is_refused(await sender.send(make_command("a")))
    assert sender.driver.sent == []


async def test_what_was_noticed_survives_the_process(sender: FastSender) -> None:
    """The row is durable before any claim behind the foreign record counts."""
    await sender.open()
    sender.send_end, sender.table.foreign_records = 5, 1
    await sender.claims.write(b"another row", b"")
    later = FastSender(disk=sender.disk)
    await later.open()
    assert is_refused(await later.send(make_command("a")))
    await later.close()


@pytest.mark.parametrize("age_s", [-10.0, 60.0])
async def test_a_recovered_barrier_counts_for_what_was_published_before(
    sender: FastSender, age_s: float
) -> None:
    """If a record was appended after the deadline, the clock was set back: somebody may have looked."""
    command = make_command("a", timeout_s=30.0)
    sender.table.latest_s = sender.now_s + 30.0 - age_s
    sender.send_end = 1
    await sender.open()
    sender.send_end = 0
    assert is_refused(await sender.send(command)) == (age_s < 0)
    assert isinstance(await sender.send(make_command("b", timeout_s=30.0)), Sent)


@pytest.mark.parametrize("end", [1, 2])
async def test_a_recovered_barrier_names_what_it_is_about(sender: FastSender, end: int) -> None:
    """Its dispatcher has handed over what was published before, although no deadline was over."""
    barriers = {barrier_key("dispatch-1"): end, barrier_key("dispatch-2"): 0}
    sender.disk.rows |= {key: encode_barrier(value) for key, value in barriers.items()}
    sender.send_end = 3
    await sender.open()
    sender.send_end = 0
    results = [await sender.send(make_command(f"{number}")) for number in range(3)]
    assert [is_refused(result) for result in results] == [number < end for number in range(3)]


@pytest.mark.parametrize("value", [b"-1", b"x", b"", b"9" * 5000])
async def test_a_barrier_without_meaning_refuses_nothing_new(value: bytes) -> None:
    """Others have written it: what is published is sent."""
    disk = Disk()
    disk.rows[barrier_key("dispatch-1")] = value
    sender = FastSender(disk=disk)
    await sender.open()
    assert isinstance(await sender.send(make_command("a")), Sent)
    await sender.close()
