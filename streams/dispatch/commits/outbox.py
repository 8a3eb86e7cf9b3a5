"""What intake is about to publish: records of many requests go out together, in the order in which they were put.

A record that its topic does not take is answered instead, and holds up none of the others. Nothing is decided here.
"""

from collections.abc import Callable
from typing import Final

from streams.dispatch.publisher import OutgoingRecord, Publisher

# A small batch may become large: each member of a template with a picture contains the picture.
MAX_PENDING_BYTES: Final = 8 << 20

# For a refused record and the time of its request: the coordinates of the request, and its answer; empty: it has none.
MakeAnswer = Callable[[OutgoingRecord, float], tuple[str, list[OutgoingRecord]]]


class Outbox:
    """The records that were not published yet."""

    def __init__(self, publisher: Publisher, make_answer: MakeAnswer) -> None:
        self._publisher = publisher
        self._make_answer = make_answer
        self._pending: list[tuple[OutgoingRecord, float]] = []
        self._pending_bytes = 0
        self.rejected: set[str] = set()  # the coordinates of requests that were answered instead

    async def put(self, records: list[OutgoingRecord], now_s: float) -> None:
        """Publish these records with the next `flush`, or now, if too much is pending. `now_s`: for their answers."""
        self._pending += [(record, now_s) for record in records]
        self._pending_bytes += sum(len(record.value or b"") for record in records)
        if self._pending_bytes > MAX_PENDING_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Return when the broker has everything that was put."""
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        refused = await self._publisher.publish([record for record, _ in pending])
        if not refused:
            return
        refused_ids = {id(record) for record in refused}
        answers: list[OutgoingRecord] = []
        for record, now_s in pending:
            if id(record) in refused_ids:
                coordinates, answer = self._make_answer(record, now_s)
                answers += answer
                if answer:
                    self.rejected.add(coordinates)
        await self._publisher.publish(answers)
