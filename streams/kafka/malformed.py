"""Records of an internal topic that cannot be read: counted, and logged once each with their position. Decides nothing.

A reader that follows a compacted topic reads it again after an error, so the same record comes more than once.
"""

import logging
from typing import Final

log = logging.getLogger(__name__)

_MAX_REMEMBERED: Final = (
    1000  # positions; a topic with more of them is logged again after a reader's restart
)


class MalformedRecords:
    """The malformed records that one process has met in one topic."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._positions: set[tuple[int, int]] = set()
        self.count = 0

    def add(self, partition: int, offset: int, reason: object) -> None:
        """This record was skipped. `reason` holds nothing of its content."""
        if (partition, offset) in self._positions:
            return
        self.count += 1
        if len(self._positions) < _MAX_REMEMBERED:
            self._positions.add((partition, offset))
        log.error(
            "%s: the record at offset %d of partition %d cannot be read and is skipped: %s",
            self._topic,
            offset,
            partition,
            reason,
        )
