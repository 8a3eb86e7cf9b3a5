"""The rows of one partition in the table `rows`: how they are keyed, read and written. Decides nothing.

| key                              | value                                                         |
|----------------------------------|---------------------------------------------------------------|
| `p` phone                        | the phone's row, whose changelog record commits an event      |
| `m` phone \\0 id                  | a message's row                                               |
| `s` phone \\0 lane, seq           | the id of the message at this place of the queue              |
| `d` phone \\0 id                  | content and original record of a message that is not final    |
| `t` phone \\0 id                  | when a scheduled message is due (for the clock's start)       |

One table, so that one batch of one partition holds all that an event changed, the phone's row first:
where any other row of the event stands, that one does. Payloads are spent only after the effects that
need them: a payload that is missing says that its effects are out.
"""

import struct
from collections.abc import Iterator
from itertools import islice

from streams.domain.phone import state as stored
from streams.domain.phone.events import Event, Priority, RequestReceived
from streams.domain.phone.state import Journal, Message, Payload, Phone, State
from streams.runtime.table import Change, DurableTable

PHONE, MESSAGE, SLOT, PAYLOAD, SCHEDULED_TIME = b"p", b"m", b"s", b"d", b"t"
_PRIORITY_CODE = {"urgent": b"0", "normal": b"1", "bulk": b"2"}
_SEQ = struct.Struct(">Q")
_TIME = struct.Struct(">d")


class PhoneStore:
    """The rows of a partition; what `step` reads, and what its result becomes."""

    def __init__(self, table: DurableTable, partition: int) -> None:
        self._table = table
        self.partition = partition

    # -- reading

    def phone(self, phone: str) -> Phone | None:
        """The phone's row."""
        data = self._table.get(self.partition, PHONE + phone.encode())
        return None if data is None else stored.decode_phone(data)

    def message(self, phone: str, request_id: str) -> Message | None:
        """The row of this request of this phone."""
        data = self._table.get(self.partition, _request_key(MESSAGE, phone, request_id))
        return None if data is None else stored.decode_message(data)

    def slot(self, phone: str, priority: Priority, seq: int) -> str | None:
        """The id of the message at this place of the lane."""
        data = self._table.get(self.partition, _slot_key(phone, priority, seq))
        return None if data is None else data.decode()

    def payload(self, phone: str, request_id: str) -> Payload | None:
        """A message's content and original record; None once it is final and all told."""
        data = self._table.get(self.partition, _request_key(PAYLOAD, phone, request_id))
        return None if data is None else stored.decode_payload(data)

    def scan_scheduled(self) -> Iterator[tuple[str, str, float]]:
        """Phone, id and time of every message that waits for its time; not to be held across an await."""
        for key, data in self._table.scan(self.partition, SCHEDULED_TIME):
            phone, request_id = _split_key(key)
            yield phone, request_id, _TIME.unpack(data)[0]

    def scan_phones(self, after: bytes, max_rows: int) -> tuple[list[Phone], bytes]:
        """Up to `most` phones behind the key `after`, and the last one's key; b"" at the end."""
        items = list(islice(self._table.scan(self.partition, PHONE, after=after), max_rows))
        return [stored.decode_phone(data) for _, data in items], _last_key(items)

    def scan_messages(self, after: bytes, max_rows: int) -> tuple[list[tuple[str, Message]], bytes]:
        """Up to `most` messages, each with its phone, behind the key `after`, and the last one's key."""
        items = list(islice(self._table.scan(self.partition, MESSAGE, after=after), max_rows))
        return [
            (_split_key(key)[0], stored.decode_message(data)) for key, data in items
        ], _last_key(items)

    # -- writing

    async def commit(self, row: Phone, event: Event) -> None:
        """Make durable what the event changed, all but the payloads that it spends."""
        await self._table.write(self.partition, list(_row_changes(row, event)))

    async def delete_spent_payloads(self, row: Phone) -> None:
        """Remove the payloads that nothing needs any more, now that the effects are out."""
        request_ids = row.journal.removed_payloads
        if request_ids:
            keys = [_request_key(PAYLOAD, row.phone, request_id) for request_id in request_ids]
            await self._table.write(self.partition, [(key, None) for key in keys])


def _row_changes(row: Phone, event: Event) -> Iterator[Change]:
    journal = row.journal
    yield PHONE + row.phone.encode(), None if row.is_removed else stored.encode(row)
    for message in journal.messages:
        yield _request_key(MESSAGE, row.phone, message.id), stored.encode(message)
        yield from _scheduled_time_changes(row.phone, message)
    for request_id in journal.removed_messages:
        yield _request_key(MESSAGE, row.phone, request_id), None
    for slot in journal.slots:
        value = None if slot.id is None else slot.id.encode()
        yield _slot_key(row.phone, slot.priority, slot.seq), value
    yield from _payload_changes(row.phone, journal, event)


def _scheduled_time_changes(phone: str, message: Message) -> Iterator[Change]:
    if message.state is State.SCHEDULED:
        yield _request_key(SCHEDULED_TIME, phone, message.id), _TIME.pack(message.send_at_s)
    elif message.send_at_s:
        yield _request_key(SCHEDULED_TIME, phone, message.id), None


def _payload_changes(phone: str, journal: Journal, event: Event) -> Iterator[Change]:
    if journal.new_payload_id is not None and isinstance(event, RequestReceived):
        payload = Payload(
            source_record=event.source_record, content=event.content, reply_to=event.reply_to
        )
        yield _request_key(PAYLOAD, phone, journal.new_payload_id), stored.encode(payload)


def _last_key(items: list[tuple[bytes, bytes]]) -> bytes:
    return items[-1][0] if items else b""


def _request_key(kind: bytes, phone: str, request_id: str) -> bytes:
    return kind + phone.encode() + b"\0" + request_id.encode()


def _split_key(key: bytes) -> tuple[str, str]:
    phone, _, request_id = key[1:].partition(b"\0")
    return phone.decode(), request_id.decode()


def _slot_key(phone: str, priority: Priority, seq: int) -> bytes:
    return SLOT + phone.encode() + b"\0" + _PRIORITY_CODE[priority] + _SEQ.pack(seq)
