"""Dead letters: read, replay, delete.

A dead letter is a record on a log: a replay does not remove it. However often it is replayed, at most
one message is sent; the dispatcher ensures that, not this module.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiokafka.admin import RecordsToDelete

from streams.client import SENT_STATUSES
from streams.client.events import decode_event
from streams.contract import dead_letter
from streams.contract.dead_letter import DeadLetter, InvalidDeadLetter
from streams.contract.status import StatusEvent
from streams.kafka import connection
from streams.kafka.reader import Reader, open_reader
from streams.kafka.topics import names
from streams.operations.replays import publishing
from streams.operations.selection import DeadLetterFilter, read_addressee, select
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What a replay republishes, and what it refuses: messages that may have been sent already."""

    accepted: list[DeadLetter]
    refused: list[DeadLetter]


async def read_letters(settings: Settings) -> list[DeadLetter]:
    """Every dead letter on the topic, in the order of writing. Records of other kinds are left out."""
    letters: list[DeadLetter] = []
    async with open_reader(settings, names(settings).dlq) as reader:
        async for record in reader.read_to_end():
            try:
                letters.append(dead_letter.parse(record.key, record.value, record.headers))
            except InvalidDeadLetter:  # written by another program
                continue
    return letters


async def plan_replay(
    settings: Settings, letter_filter: DeadLetterFilter, *, allow_unknown: bool
) -> ReplayPlan:
    """Select the dead letters to replay. Those of unknown outcome are refused unless allowed."""
    letters = await read_letters(settings)
    selected = select(letters, letter_filter, region=settings.default_region)
    refused = [
        letter for letter in selected if letter.info.outcome == "unknown" and not allow_unknown
    ]
    return ReplayPlan([letter for letter in selected if letter not in refused], refused)


@dataclass(slots=True)
class Replay:
    """What became of one replayed dead letter. `error`: it could not be published; `status`: its last one."""

    letter: DeadLetter
    error: str | None = None
    status: StatusEvent | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to be waited for."""
        status = self.status
        return self.error is not None or (
            status is not None and (status.is_final or status.status in SENT_STATUSES)
        )


async def replay(
    settings: Settings,
    letters: Sequence[DeadLetter],
    rate_per_s: float,
    *,
    is_forced: bool = False,
    wait_s: float = 0.0,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[Replay]:
    """Produce the original records to `wa.outbound` again, at most this many a second.

    A message that has been proved to have arrived since is sent again only if `is_forced`. With `wait_s`,
    wait at most so long until each one is sent or has ended otherwise. `on_progress` gets the number of
    those that are published and, while waiting, of those that are done. One that cannot be published does
    not stop the others.
    """
    async with open_reader(settings, names(settings).status) as reader:
        await reader.seek_to_end()
        results = await publishing.replay(
            settings, letters, rate_per_s, is_forced=is_forced, on_progress=on_progress
        )
        replays = [Replay(result.letter, result.refusal) for result in results]
        if wait_s and not all(item.is_done for item in replays):
            try:
                async with asyncio.timeout(wait_s):
                    await _follow(settings, reader, replays, on_progress)
            except TimeoutError:
                return replays  # those that are not done have their last status
    return replays


async def _follow(
    settings: Settings,
    reader: Reader,
    replays: Sequence[Replay],
    on_progress: Callable[[int], None],
) -> None:
    """Apply the status events of these requests until all are done."""
    by_request: dict[tuple[str, str | None], Replay] = {}
    for item in replays:
        to = read_addressee(item.letter, settings.default_region).to
        by_request[item.letter.info.request_id, to] = item
    async for record in reader.follow():
        event = decode_event(record.value)
        if event is None:
            continue
        # The recipient may have another number in WhatsApp than in the request.
        item = by_request.get((event.id, event.requested_to)) or by_request.get(
            (event.id, event.to)
        )
        if item is None:
            continue
        item.status = event
        if item.is_done:
            done = sum(other.is_done for other in replays)
            on_progress(done)
            if done == len(replays):
                return


async def purge(settings: Settings, before_s: float | None, *, is_dry_run: bool) -> int:
    """Delete the records that were written before this time; None: all. Returns their number.

    Kafka deletes from the old end of a log only, so a newer record is never deleted before an older one.
    """
    async with open_reader(settings, names(settings).dlq) as reader:
        begin_offsets = await reader.beginning_offsets()
        cut_offsets = (
            await reader.end_offsets()
            if before_s is None
            else await reader.offsets_for_time(before_s)
        )
    count = sum(
        max(0, offset - begin_offsets[partition]) for partition, offset in cut_offsets.items()
    )
    if count and not is_dry_run:
        deletions = {
            partition: RecordsToDelete(before_offset=offset)
            for partition, offset in cut_offsets.items()
        }
        async with connection.admin_client(settings) as client:
            await client.delete_records(deletions)
    return count
