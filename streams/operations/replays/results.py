"""What became of dead letters: whether each was replayed, and how that ended, as far as the topics tell.

Nothing here changes anything.

A replay is seen by what follows from it: the status `accepted` of its message after the failure, or the dead letter of
a replay that has failed too. So a replay that no dispatcher has read yet looks as if there were none. `wa.status` is
kept for a shorter time than dead letters: if the status of the failure has gone, those after it may have gone, too, and
nothing is said of its dead letter. To call it not replayed would invite somebody to send the message twice.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streams.client import SENT_STATUSES
from streams.client.events import decode_event
from streams.contract import replay
from streams.contract.dead_letter import DeadLetter
from streams.contract.headers import get_text
from streams.contract.timestamps import parse_rfc3339
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.operations.selection import read_addressee
from streams.settings import Settings

READ_TIMEOUT_S: Final = 30.0
_CLOCK_MARGIN_S: Final = 60.0  # the clocks of brokers differ a little

NOT_REPLAYED: Final = "not replayed"
DEAD_AGAIN: Final = "replayed, dead again"
_WAITING_STATUSES: Final = frozenset({"accepted", "queued"})
_ENDED_STATUSES: Final = frozenset({"expired", "cancelled"})


def describe_result(status: str | None, *, is_accepted: bool, is_dead_again: bool = False) -> str:
    """What became of a dead letter, in two or three words.

    `status`: the last one of its message after the failure. `is_accepted`: the message was accepted after it.
    `is_dead_again`: a later dead letter names it.
    """
    if is_dead_again:
        return DEAD_AGAIN
    begin = "replayed" if is_accepted else NOT_REPLAYED
    if status in SENT_STATUSES:  # without a replay: a receipt has proved that it had arrived
        return f"{begin}, sent"
    if not is_accepted:
        return NOT_REPLAYED
    if status in _WAITING_STATUSES:
        return "replayed, waiting"
    return f"replayed, {status}" if status in _ENDED_STATUSES else DEAD_AGAIN


@dataclass(slots=True)
class _StatusSummary:
    """What the statuses of a message say about the time after a failure.

    `is_complete`: one of before, or of the failure itself, is still there, so none of after it has been removed.
    """

    failed_s: float
    status: str | None = None
    is_accepted: bool = False
    is_complete: bool = False

    def apply(self, status: str, at_s: float) -> None:
        self.is_complete = self.is_complete or at_s <= self.failed_s + _CLOCK_MARGIN_S
        if at_s > self.failed_s:
            self.status = status
            self.is_accepted = self.is_accepted or status == "accepted"

    def describe(self) -> str | None:
        if not self.is_accepted and not self.is_complete:
            return None
        return describe_result(self.status, is_accepted=self.is_accepted)


async def read_results(
    settings: Settings,
    letters: Sequence[DeadLetter],
    selected: Sequence[DeadLetter],
    timeout_s: float | None = None,
) -> dict[str, str | None]:
    """What became of the selected ones of all these dead letters, by their ids. None: the statuses have been removed.

    The statuses since the first failure are read. If that takes longer than `timeout_s` (`READ_TIMEOUT_S`), only those
    are in the result of which the dead letters themselves tell enough.

    Raises:
        KafkaUnreachable, TopicNotFound: see streams/kafka/reader.py.
    """
    later_ids = {get_text(letter.headers, replay.REPLAY_OF) for letter in letters}
    results: dict[str, str | None] = {
        letter.info.id: DEAD_AGAIN for letter in selected if letter.info.id in later_ids
    }
    open_letters = [letter for letter in selected if letter.info.id not in results]
    if not open_letters:
        return results
    summaries = {
        letter.info.id: _StatusSummary(parse_rfc3339(letter.info.last_failed_at))
        for letter in open_letters
    }
    try:
        async with asyncio.timeout(READ_TIMEOUT_S if timeout_s is None else timeout_s):
            await _read_statuses(settings, open_letters, summaries)
    except TimeoutError:
        return results
    return results | {id: summary.describe() for id, summary in summaries.items()}


async def _read_statuses(
    settings: Settings, letters: Sequence[DeadLetter], summaries: dict[str, _StatusSummary]
) -> None:
    """Nothing of a status is kept but the last one of each of these messages."""
    by_message: dict[tuple[str, str | None], list[_StatusSummary]] = {}
    for letter in letters:
        to = read_addressee(letter, settings.default_region).to
        by_message.setdefault((letter.info.request_id, to), []).append(summaries[letter.info.id])
    since_s = min(summary.failed_s for summary in summaries.values()) - _CLOCK_MARGIN_S
    async with open_reader(settings, names(settings).status) as reader:
        await reader.seek_to_time(max(0.0, since_s))
        async for record in reader.read_to_end():
            event = decode_event(record.value)
            if event is None:
                continue
            # The recipient may have another number in WhatsApp than in the request.
            recipients = {event.to, event.requested_to or event.to}
            for to in recipients:
                for summary in by_message.get((event.id, to), ()):
                    summary.apply(event.status, parse_rfc3339(event.at))
