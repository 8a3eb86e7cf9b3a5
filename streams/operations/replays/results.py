"""What became of dead letters: whether each was replayed, and how that ended, as far as the topics tell.

Nothing here changes anything.

A replay is seen by what follows from it: the status `accepted` of its message after the failure, or the dead letter of
a replay that has failed too. So a replay that no dispatcher has read yet looks as if there were none.
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
class _Track:
    """What the statuses after a failure say."""

    failed_s: float
    status: str | None = None
    is_accepted: bool = False

    def apply(self, status: str, at_s: float) -> None:
        if at_s > self.failed_s:
            self.status = status
            self.is_accepted = self.is_accepted or status == "accepted"


async def read_results(
    settings: Settings,
    letters: Sequence[DeadLetter],
    selected: Sequence[DeadLetter],
    timeout_s: float | None = None,
) -> dict[str, str]:
    """What became of the selected ones of all these dead letters, by their ids.

    The statuses since the first failure are read. If that takes longer than `timeout_s` (`READ_TIMEOUT_S`), only those
    are in the result of which the dead letters themselves tell enough.

    Raises:
        KafkaUnreachable, TopicNotFound: see streams/kafka/reader.py.
    """
    later_ids = {get_text(letter.headers, replay.REPLAY_OF) for letter in letters}
    results = {letter.info.id: DEAD_AGAIN for letter in selected if letter.info.id in later_ids}
    open_letters = [letter for letter in selected if letter.info.id not in results]
    if not open_letters:
        return results
    tracks = {
        letter.info.id: _Track(parse_rfc3339(letter.info.last_failed_at)) for letter in open_letters
    }
    try:
        async with asyncio.timeout(READ_TIMEOUT_S if timeout_s is None else timeout_s):
            await _read_statuses(settings, open_letters, tracks)
    except TimeoutError:
        return results
    return results | {
        id: describe_result(track.status, is_accepted=track.is_accepted)
        for id, track in tracks.items()
    }


async def _read_statuses(
    settings: Settings, letters: Sequence[DeadLetter], tracks: dict[str, _Track]
) -> None:
    """Nothing of a status is kept but the last one of each of these messages."""
    by_message: dict[tuple[str, str | None], list[_Track]] = {}
    for letter in letters:
        to = read_addressee(letter, settings.default_region).to
        by_message.setdefault((letter.info.request_id, to), []).append(tracks[letter.info.id])
    since_s = min(track.failed_s for track in tracks.values()) - _CLOCK_MARGIN_S
    async with open_reader(settings, names(settings).status) as reader:
        await reader.seek_to_time(max(0.0, since_s))
        async for record in reader.read_to_end():
            event = decode_event(record.value)
            if event is None:
                continue
            # The recipient may have another number in WhatsApp than in the request.
            recipients = {event.to, event.requested_to or event.to}
            for track in [t for to in recipients for t in by_message.get((event.id, to), ())]:
                track.apply(event.status, parse_rfc3339(event.at))
