"""Where a program stands in the log of status events, as a text that the program keeps. Pure.

A position holds, for each partition, the offset of the next event, and the id of the topic: a topic that was deleted
and recreated has the same name and other events.
"""

import re
from collections.abc import Mapping
from typing import Final

_FORMAT: Final = re.compile(r"([0-9a-f]{32}):(\d{1,19}(?:,\d{1,19})*)")


class PositionLost(LookupError):
    """The log does not have the events after this position any more; the message says which, and what to do."""


class Position:
    """The next offset of each partition. It moves on as events are read."""

    def __init__(self, topic_id: str, offsets: Mapping[int, int]) -> None:
        self._topic_id = topic_id
        self.offsets = dict(offsets)

    def advance(self, partition: int, offset: int) -> None:
        """The record at this offset has been read."""
        self.offsets[partition] = offset + 1

    def __str__(self) -> str:
        count = max(self.offsets, default=0) + 1
        # A partition without an offset was added, and nothing of it was read.
        listed = ",".join(str(self.offsets.get(number, 0)) for number in range(count))
        return f"{self._topic_id}:{listed}"

    def require_kept(
        self, topic: str, topic_id: str, starts: Mapping[int, int], ends: Mapping[int, int]
    ) -> None:
        """Raise PositionLost unless the log has everything after this position."""
        if topic_id != self._topic_id:
            raise PositionLost(f"{topic} was recreated since this position was kept{_REMEDY}")
        for partition, offset in self.offsets.items():
            if offset < starts.get(partition, 0):
                raise lost(topic, partition, offset)
            if offset > ends.get(partition, 0):
                raise PositionLost(
                    f"{topic} ends at offset {ends.get(partition, 0)} of partition {partition}, before this "
                    f"position ({offset}): it was truncated{_REMEDY}"
                )


def lost(topic: str, partition: int, offset: int) -> PositionLost:
    """The error for events that retention has removed."""
    return PositionLost(
        f"the events of {topic} from offset {offset} of partition {partition} on were removed before they were "
        f"read (retention.ms of the topic){_REMEDY}"
    )


_REMEDY: Final = (
    ": events may be missing. Read the current state of your messages with `history`, or pass skip_lost=True to go "
    "on with the oldest event that is kept"
)


def parse_position(text: str) -> Position:
    """The position of this text.

    Raises:
        ValueError: it is not a position.
    """
    match = _FORMAT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"after={text!r}: is not the `position` of a status event")
    return Position(match[1], dict(enumerate(map(int, match[2].split(",")))))
