"""How long a dispatcher needs from its start until it is ready: with an empty disk, and with the disk of its last run.

    python -m benchmarks.recovery [--phones 100000] [--messages 100000] [--waiting 1000] [--tree OTHER_CHECKOUT]

The changelog is filled directly, with rows as the dispatcher stores them: a recipient to whom a message was delivered,
and the rows of final messages. `--waiting` of the recipients wait for an account. With `--tree`, the dispatcher of
another checkout (with a `.venv` of its own) takes turns with this one. CPU seconds and the highest PSS are those of the
dispatcher, up to the moment in which it is ready. Needs no network.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from aiokafka import AIOKafkaProducer

from benchmarks.browser_common import machine
from benchmarks.world import run_broker
from streams.dispatch import phone_store
from streams.domain.conversation import Conversation
from streams.domain.phone import state
from streams.domain.phone.effects import PublishStatus
from streams.domain.phone.state import Chat, Journal, Message, Phone, PriorityQueue, State, Wait
from streams.kafka import admin, topics
from streams.kafka.connection import producer_options
from streams.settings import Settings
from tests.support.broker import make_settings
from tests.support.system import SystemUnderTest, Worker

READY_TIMEOUT_S = 1800.0
PARTITIONS = 8
HERE = Path(__file__).parents[1]
MB = 2**20
Row = tuple[bytes, bytes]


@dataclass(frozen=True)
class Size:
    """How many rows there are."""

    phones: int
    messages: int
    waiting: int


def make_message(phone: str, number: int, at_s: float, message_state: State) -> Message:
    """A message's row."""
    return Message(
        id=f"order-{number:09}",
        offset=number,
        state=message_state,
        attempts=1,
        dispatches=1,
        accepted_at_s=at_s,
        changed_s=at_s,
        completed_at_s=at_s,
        source_coordinates=f"wa.outbound/{number % PARTITIONS}/{number}",
        last_status=make_status(number, at_s),
    )


def make_status(number: int, at_s: float) -> PublishStatus:
    """The last status of a message."""
    whatsapp_id = f"3EB0{number:028X}"
    return PublishStatus(
        f"order-{number:09}", "delivered", "1", at_s, 1, "main", whatsapp_id=whatsapp_id
    )


def make_phone(number: int, at_s: float, *, is_waiting: bool) -> Phone:
    """A recipient to whom a message was delivered; another one may wait for an account."""
    phone = f"+90555{number:07}"
    delivered = make_message(phone, number, at_s, State.DELIVERED)
    waits = (Wait("no_account", priority_rank=1),) if is_waiting else ()
    return Phone(
        phone=phone,
        offset=number,
        account="main",
        conversation=Conversation(sent_count=1, last_sent_at_s=at_s),
        chat=Chat(f"{phone[1:]}@c.us", at_s + 86_400),
        waits=waits,
        queues={"normal": PriorityQueue(0, 1, 1)} if is_waiting else {},
        send_times_s=(at_s,),
        last_active_s=at_s,
        journal=Journal(messages=(delivered,), effects=(make_status(number, at_s),)),
    )


def make_rows(size: Size, partition: int) -> Iterator[Row]:
    """The rows of one partition."""
    at_s = time.time() - 60
    for number in range(partition, size.phones, PARTITIONS):
        row = make_phone(number, at_s, is_waiting=number < size.waiting)
        yield phone_store.PHONE + row.phone.encode(), state.encode_phone(row)
    for number in range(partition, size.messages, PARTITIONS):
        phone = f"+90555{number % max(size.phones, 1):07}"
        message = make_message(phone, number, at_s, State.DELIVERED)
        key = phone_store.MESSAGE + phone.encode() + b"\0" + message.id.encode()
        yield key, state.encode_message(message)


async def fill(settings: Settings, size: Size) -> None:
    """Write the rows to the changelog, in large batches."""
    topic = topics.changelog_topic(topics.dispatch_app_id(settings), topics.ROWS)
    producer = AIOKafkaProducer(**producer_options(settings), max_batch_size=512 << 10)
    await producer.start()
    try:
        for partition in range(PARTITIONS):
            await _fill_partition(producer, topic, partition, size)
    finally:
        await producer.stop()


async def _fill_partition(
    producer: AIOKafkaProducer, topic: str, partition: int, size: Size
) -> None:
    batch = producer.create_batch()
    for key, value in make_rows(size, partition):
        if batch.append(key=key, value=value, timestamp=None) is None:
            await producer.send_batch(batch, topic, partition=partition)
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
    if batch.record_count():
        await producer.send_batch(batch, topic, partition=partition)
    await producer.flush()


async def measure(system: SystemUnderTest, tree: Path) -> str:
    """Start the dispatcher of a checkout, and stop it when it is ready."""
    start_s = time.monotonic()
    program = [str(_find_python(tree)), "-P", "-m", "streams.cli", "dispatch", "--name=dispatch-1"]
    worker = system.start_program(program, PYTHONPATH=str(tree))
    process = psutil.Process(worker.process.pid)
    highest_bytes = await _wait_until_ready(worker, process)
    elapsed_s, times = time.monotonic() - start_s, process.cpu_times()
    cpu_s, pss_bytes = times.user + times.system, process.memory_full_info().pss
    worker.process.terminate()
    await asyncio.to_thread(worker.process.wait)
    return (
        f"ready after {elapsed_s:6.1f} s, {cpu_s:6.1f} CPU s, PSS {pss_bytes / MB:5.0f} MB, "
        f"at most {highest_bytes / MB:5.0f} MB"
    )


def _find_python(tree: Path) -> Path:
    own = tree / ".venv/bin/python"
    return own if own.exists() else Path(sys.executable)


async def _wait_until_ready(worker: Worker, process: psutil.Process) -> int:
    """Returns the highest PSS in bytes."""
    deadline_s, highest_bytes = time.monotonic() + READY_TIMEOUT_S, 0
    while not await worker.is_ready():
        assert time.monotonic() < deadline_s, worker.read_log_tail()
        highest_bytes = max(highest_bytes, process.memory_full_info().pss)
        await asyncio.sleep(0.25)
    return highest_bytes


async def main(size: Size, rounds: int, trees: list[Path]) -> None:
    """Run the benchmark."""
    print(machine())
    async with run_broker() as (broker, folder):
        settings = make_settings(broker, folder / "data", partitions=PARTITIONS)
        await admin.create_topics(settings)
        start_s = time.monotonic()
        await fill(settings, size)
        print(f"{size}, written in {time.monotonic() - start_s:.0f} s", flush=True)
        await _run_rounds(settings, rounds, trees)


async def _run_rounds(settings: Settings, rounds: int, trees: list[Path]) -> None:
    system = SystemUnderTest(settings)
    try:
        for _ in range(rounds):
            for tree in trees:
                if (settings.data_dir / "tables" / "dispatch-1").exists():
                    system.delete_tables("dispatch-1")
                for disk in ("empty", "kept"):
                    print(f"  {tree.name:<12} {disk:<5} {await measure(system, tree)}", flush=True)
    finally:
        system.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phones", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--waiting", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tree", type=Path)
    options = parser.parse_args()
    sizes = Size(options.phones, options.messages, options.waiting)
    checkouts = [HERE, *([options.tree.resolve()] if options.tree else [])]
    asyncio.run(main(sizes, options.rounds, checkouts))
