"""Reads `wa.status` into columns, in processes of their own: decoding is work for one core each. Counts nothing.

Each process reads some of the partitions in large fetches, without an object of the client for each record
(value_batches.py), and sends its columns when it is done. It ends with this process, and when the report is given up.
"""

import asyncio
import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from multiprocessing.context import SpawnProcess
from typing import Any, Final, NamedTuple, cast

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.kafka.connection import client_options, start_consumer, stop_consumer
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.operations.errors import CommandFailed, UsageError
from streams.operations.reports.columns import ColumnBuilder, Columns, merge
from streams.operations.reports.value_batches import install_value_batches
from streams.settings import Settings
from streams.system.parent_death import end_with_parent

# An acceptance is on the topic after its own time, and brokers' clocks differ a little.
_MARGIN_S: Final = 600.0
_MIN_RECORDS_FOR_TWO: Final = 100_000  # fewer are read before a second process has started
_SILENCE_TIMEOUT_S: Final = 60.0  # a broker restarts in less
_POLL_MS: Final = 200
_PROGRESS_EVERY: Final = 50_000
_STOP_TIMEOUT_S: Final = 10.0

Span = tuple[int, int]  # offsets [from, to) of a partition
OnProgress = Callable[[float], None]  # the part that was read, from 0 to 1


class Limits(NamedTuple):
    """What a report may take. `fetch_bytes`: of one partition, compressed; some ten times as much when it is read."""

    max_processes: int = 8
    max_records: int | None = None
    fetch_bytes: int = 2 << 20


@dataclass(frozen=True, slots=True)
class _Task:
    """What one process reads. It gives up after this silence."""

    settings: Settings
    topic: str
    spans: Mapping[int, Span]
    fetch_bytes: int = Limits().fetch_bytes
    silence_timeout_s: float = _SILENCE_TIMEOUT_S


async def read_columns(
    settings: Settings, since_s: float, on_progress: OnProgress, limits: Limits
) -> Columns:
    """Everything on `wa.status` from this time on (epoch seconds) up to its end now.

    Raises:
        UsageError: there are more records than the limits allow.
        KafkaUnreachable, TopicNotFound: see streams/kafka/reader.py.
        CommandFailed: a process of the reading has ended, or has read nothing for a minute.
    """
    topic = names(settings).status
    spans = await _find_spans(settings, topic, since_s)
    total = sum(end - start for start, end in spans.values())
    if not total:
        return merge([])
    if limits.max_records is not None and total > limits.max_records:
        raise UsageError(
            f"{total:,} events would have to be read, and at most {limits.max_records:,} are read here: "
            "choose a shorter time, or use `wa-streams report`"
        )
    processes = _count_processes(total, len(spans), limits.max_processes)
    tasks = [
        _Task(settings, topic, share, limits.fetch_bytes) for share in _share(spans, processes)
    ]
    done = [0] * len(tasks)

    def show(index: int, count: int) -> None:
        done[index] = count
        on_progress(sum(done) / total)

    try:
        async with asyncio.TaskGroup() as group:
            works = [
                group.create_task(_run_process(task, index, show))
                for index, task in enumerate(tasks)
            ]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # what one process has met, the others meet too
    return merge([work.result() for work in works])


async def _find_spans(settings: Settings, topic: str, since_s: float) -> dict[int, Span]:
    async with open_reader(settings, topic) as reader:
        ends = await reader.end_offsets()
        starts = await reader.offsets_for_time(max(0.0, since_s - _MARGIN_S))
    return {
        partition.partition: (starts[partition], end)
        for partition, end in ends.items()
        if starts[partition] < end
    }


def _count_processes(total: int, partitions: int, max_processes: int) -> int:
    if total < _MIN_RECORDS_FOR_TWO:
        return 1
    return max(1, min(len(os.sched_getaffinity(0)), partitions, max_processes))


def _share(spans: Mapping[int, Span], count: int) -> list[dict[int, Span]]:
    """The partitions for so many processes, the largest first to whoever has least."""
    shares: list[dict[int, Span]] = [{} for _ in range(count)]
    sizes = [0] * count
    for partition, (start, end) in sorted(spans.items(), key=lambda item: item[1][0] - item[1][1]):
        index = sizes.index(min(sizes))
        shares[index][partition] = (start, end)
        sizes[index] += end - start
    return [share for share in shares if share]


# -- this process


async def _run_process(task: _Task, index: int, show: Callable[[int, int], None]) -> Columns:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_read_in_process, args=(task, sender), daemon=True)
    process.start()
    sender.close()
    try:
        while True:
            message = await asyncio.to_thread(_receive, receiver)
            if isinstance(message, Columns):
                return message
            if isinstance(message, Exception):
                raise message
            show(index, message)
    finally:
        _stop(process)
        receiver.close()


def _receive(receiver: Any) -> Any:
    """The next object from the pipe; it blocks."""
    try:
        return receiver.recv()
    except EOFError:
        return CommandFailed("a process that reads wa.status has ended; try again")


def _stop(process: SpawnProcess) -> None:
    """Whatever it does: nothing is left behind. It writes nothing, so killing it breaks nothing."""
    process.kill()
    process.join(_STOP_TIMEOUT_S)


# -- the other process


def _read_in_process(task: _Task, sender: Any) -> None:
    """Send how many records were read, now and then, and the columns or an error at the end."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C ends the command, and the command this process
    gc.disable()  # it takes as long as everything else: millions of objects live for a moment, and none in a cycle
    with suppress(OSError, AttributeError):  # Linux only; elsewhere the pipe breaks
        end_with_parent()
    try:
        result: Columns | Exception = asyncio.run(_read(task, sender.send))
    except Exception as error:  # noqa: BLE001 — it is raised in the process that waits
        result = error
    with suppress(BrokenPipeError):  # the report was given up
        sender.send(result)


async def _read(task: _Task, show: Callable[[int], None]) -> Columns:
    install_value_batches()
    consumer = AIOKafkaConsumer(
        **client_options(task.settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # what retention deletes meanwhile is gone for everybody
        fetch_max_wait_ms=_POLL_MS,
        max_partition_fetch_bytes=task.fetch_bytes,
    )
    await start_consumer(consumer)
    try:
        async with asyncio.timeout(task.silence_timeout_s) as silence:
            return await _read_spans(consumer, task, show, silence)
    except TimeoutError:
        reason = f"nothing could be read for {task.silence_timeout_s:g} s"
        raise CommandFailed(
            f"{task.topic}: {reason}; its broker may be down, or the topic was deleted"
        ) from None
    finally:
        await stop_consumer(consumer)


async def _read_spans(
    consumer: AIOKafkaConsumer, task: _Task, show: Callable[[int], None], silence: asyncio.Timeout
) -> Columns:
    """Each progress begins another `silence`."""
    builder, shown, count, clock = ColumnBuilder(), 0, 0, asyncio.get_running_loop().time
    ends = {TopicPartition(task.topic, n): end for n, (_, end) in task.spans.items()}
    consumer.assign(list(ends))
    for number, (start, _) in task.spans.items():
        consumer.seek(TopicPartition(task.topic, number), start)
    while unread := await _find_unread(consumer, ends):
        fetched = await consumer.getmany(*unread, timeout_ms=_POLL_MS)
        for batches in fetched.values():
            # Of the last batch also what was written meanwhile: it says what has become of messages until now.
            values = list(chain.from_iterable(cast("list[list[bytes | None]]", batches)))
            builder.add(values)
            count += len(values)
        if fetched:
            silence.reschedule(clock() + task.silence_timeout_s)
        if count - shown >= _PROGRESS_EVERY:
            show(shown := count)
    return builder.build()


async def _find_unread(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> list[TopicPartition]:
    return [part for part, end in ends.items() if await consumer.position(part) < end]
