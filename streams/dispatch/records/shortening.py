"""Makes a record smaller whose topic does not take it: somebody has lowered `max.message.bytes`. Pure.

Records are made to fit the topics as they are created. This is for topics that were changed since: the
answer gets shorter and shorter, but the record is answered. Each call makes a record smaller than it was.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from streams.contract import dead_letter, status
from streams.contract.dead_letter import InvalidDeadLetter
from streams.dispatch.publisher import OutgoingRecord

Shorten = Callable[[OutgoingRecord], OutgoingRecord | None]

_SMALLEST_VALUE_BYTES: Final = 1024


def make_shortener(status_topic: str, dlq_topic: str) -> Shorten:
    """A function that gives a smaller form of a record, or None if there is none."""
    shorteners = {status_topic: _shorten_status, dlq_topic: _shorten_dead_letter}

    def shorten(record: OutgoingRecord) -> OutgoingRecord | None:
        shortener = shorteners.get(record.topic)
        return None if shortener is None else shortener(record)

    return shorten


def _shorten_status(record: OutgoingRecord) -> OutgoingRecord | None:
    """The status without what only repeats the request."""
    try:
        event = status.decode(record.value or b"")
    except msgspec.DecodeError:
        return None
    bare = status.encode(msgspec.structs.replace(event, metadata={}))
    if len(bare) == len(record.value or b""):
        return None
    return OutgoingRecord(record.topic, bare, record.key, record.partition, record.headers)


def _shorten_dead_letter(record: OutgoingRecord) -> OutgoingRecord | None:
    """Half of the value; at last the added headers alone."""
    try:
        letter = dead_letter.parse(record.key, record.value, record.headers)
    except InvalidDeadLetter:
        return None
    if len(letter.value or b"") > _SMALLEST_VALUE_BYTES:
        letter = letter.cut_value(len(letter.value or b"") // 2)
    elif letter.headers or letter.key:
        letter = letter.cut_everything()
    else:
        return None
    headers = tuple(letter.build_record_headers())
    return OutgoingRecord(record.topic, letter.value, letter.key, None, headers)
