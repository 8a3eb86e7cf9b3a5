"""Dead letters: read, replay, delete.

A dead letter is a record on a log: a replay does not remove it. However often it is replayed, at most
one message is sent; the dispatcher ensures that, not this module.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.admin import RecordsToDelete

from streams.contract import dead_letter
from streams.contract.dead_letter import DeadLetter, InvalidDeadLetter
from streams.kafka import connection
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.operations.replaying import ReplayResult, replay
from streams.operations.selection import DeadLetterFilter, select
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
    selected = select(await read_letters(settings), letter_filter)
    refused = [
        letter for letter in selected if letter.info.outcome == "unknown" and not allow_unknown
    ]
    return ReplayPlan([letter for letter in selected if letter not in refused], refused)


async def republish(
    settings: Settings, letters: Sequence[DeadLetter], rate_per_s: float, *, is_forced: bool = False
) -> list[ReplayResult]:
    """Produce the original records to `wa.outbound` again, at most this many a second.

    A message that has been proved to have arrived since is sent again only if `is_forced`. Returns the result of
    each: one that cannot be replayed does not stop the others.
    """
    return await replay(settings, letters, rate_per_s, is_forced=is_forced)


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
