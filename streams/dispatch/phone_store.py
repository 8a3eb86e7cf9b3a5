"""The rows of one partition in the table `rows`: how they are keyed, read and written. Decides nothing.

| key                              | value                                                         |
|----------------------------------|---------------------------------------------------------------|
| `p` phone                        | the phone's row, whose changelog record commits an event      |
| `m` phone \\0 id                  | a message's row                                               |
| `s` phone \\0 queue \\0 seq        | the id of the message in this slot of the queue               |
| `d` phone \\0 id                  | the payload: content and original record of an open message   |
| `o` phone                        | what was decided about marketing messages; no retention removes it |
| `h` hash of a phone               | the opt-out of a forgotten recipient, kept because a person asked for it |
| `t` phone \\0 id                  | when a message is due or expires (for the start of the timers) |

There is one table, so that one batch of one partition holds everything that an event changed, the
phone's row first: wherever another row of the event is stored, that row is too. A payload that an effect of
the event needs is removed only after the effects are published; any other one in the same batch.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from streams.domain.consent import state as consent
from streams.domain.consent.state import Consent
from streams.domain.phone import state as stored
from streams.domain.phone.effects import Dispatch, ForwardRequest, PublishDeadLetter
from streams.domain.phone.events import Event, RequestReceived
from streams.domain.phone.scheduling.wait_view import decode_wait_view, is_idle
from streams.domain.phone.state import Journal, Message, Payload, Phone
from streams.runtime.store.index import Index, IndexChange
from streams.runtime.store.rows import NotARow, UndecodableRow
from streams.runtime.table import Change, DurableTable

PHONE, MESSAGE, SLOT, PAYLOAD, SCHEDULED_TIME, CONSENT = b"p", b"m", b"s", b"d", b"t", b"o"
KEPT_OPT_OUT = b"h"
_SEQ = struct.Struct(">Q")
_TIME = struct.Struct(">d")
# How the values of each kind of row are decoded. A row of a kind that is missing is not recovered.
_DECODERS: dict[bytes, Callable[[bytes], Any]] = {
    PHONE: stored.decode_phone,
    MESSAGE: stored.decode_message,
    SLOT: bytes.decode,
    PAYLOAD: stored.decode_payload,
    CONSENT: consent.decode,
    KEPT_OPT_OUT: consent.decode,
    SCHEDULED_TIME: _TIME.unpack,
}
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, struct.error)

T = TypeVar("T")


def index_row(key: bytes, value: bytes | None) -> IndexChange | None:
    """What a change of this row means to the index of the phones that wait; None: it is not a phone's row."""
    if not key.startswith(PHONE):
        return None
    return key, value is not None and not is_idle(decode_wait_view(value))


def _index_decoded(key: bytes, row: Any) -> IndexChange | None:
    return (key, not is_idle(row)) if key.startswith(PHONE) else None


# So that a start does not read all phones. Another version makes every store be rebuilt: change it with the rule.
WAITING_PHONES: Final = Index(b"1", index_row, _index_decoded)


def check_row(key: bytes, value: bytes) -> Any:
    """The row in this record of the changelog. Raises NotARow or UndecodableRow, without the phone number."""
    kind = key[:1]
    decode = _DECODERS.get(kind)
    if decode is None:
        raise NotARow("its key is not one of the table's")
    return _decode(decode, kind, value)


def _decode(decode: Callable[[bytes], T], kind: bytes, value: bytes) -> T:
    try:
        return decode(value)
    except _DECODE_ERRORS as error:
        raise UndecodableRow(
            f"a row of kind {kind.decode()} cannot be decoded ({type(error).__name__})"
        ) from None


class PhoneStore:
    """The rows of a partition: what `step` reads, and where its result is written."""

    def __init__(self, table: DurableTable, partition: int) -> None:
        self._table = table
        self.partition = partition

    # -- reading

    def get_phone(self, phone: str) -> Phone | None:
        """The phone's row."""
        data = self._table.get(self.partition, PHONE + phone.encode())
        return None if data is None else self._decode(stored.decode_phone, PHONE, data)

    def get_message(self, phone: str, request_id: str) -> Message | None:
        """The row of this request to this phone."""
        data = self._table.get(self.partition, _request_key(MESSAGE, phone, request_id))
        return None if data is None else self._decode(stored.decode_message, MESSAGE, data)

    def has_message(self, phone: str, request_id: str) -> bool:
        """Whether there is a row of this request, readable or not."""
        return self._table.get(self.partition, _request_key(MESSAGE, phone, request_id)) is not None

    def get_slot(self, phone: str, queue: str, seq: int) -> str | None:
        """The id of the message in this slot of the queue."""
        data = self._table.get(self.partition, _slot_key(phone, queue, seq))
        return None if data is None else self._decode(bytes.decode, SLOT, data)

    def get_timed_ids(self, phone: str) -> list[str]:
        """The ids of the phone's messages that are scheduled or expire."""
        prefix = _request_key(SCHEDULED_TIME, phone, "")
        return [_split_key(key)[1] for key, _ in self._table.scan(self.partition, prefix)]

    def get_payload(self, phone: str, request_id: str) -> Payload | None:
        """A message's content and original record; None once its last effects are published."""
        data = self._table.get(self.partition, _request_key(PAYLOAD, phone, request_id))
        return None if data is None else self._decode(stored.decode_payload, PAYLOAD, data)

    def get_consent(self, phone: str) -> Consent | None:
        """What was decided about marketing messages to this phone."""
        data = self._table.get(self.partition, CONSENT + phone.encode())
        return None if data is None else self._decode(consent.decode, CONSENT, data)

    def get_kept_opt_out(self, key: str) -> Consent | None:
        """The opt-out of a forgotten recipient."""
        data = self._table.get(self.partition, KEPT_OPT_OUT + key.encode())
        return None if data is None else self._decode(consent.decode, KEPT_OPT_OUT, data)

    def list_message_ids(self, phone: str, after: str, max_count: int) -> list[str]:
        """The next ids of the phone's messages after this one."""
        prefix, after_key = (_request_key(MESSAGE, phone, id_) for id_ in ("", after))
        items = islice(self._table.scan(self.partition, prefix, after=after_key), max_count)
        return [_split_key(key)[1] for key, _ in items]

    def scan_scheduled(self) -> Iterator[tuple[str, str, float]]:
        """Phone, id and `wake_at_s` of every message that has one. Do not await while iterating."""
        for key, data in self._table.scan(self.partition, SCHEDULED_TIME):
            phone, request_id = _split_key(key)
            (time_s,) = self._decode(_TIME.unpack, SCHEDULED_TIME, data)
            yield phone, request_id, time_s

    def scan_phones(self, after: bytes, max_rows: int) -> tuple[list[Phone], bytes]:
        """Up to `max_rows` phones after the key `after`, and the key of the last; b"" at the end."""
        items = list(islice(self._table.scan(self.partition, PHONE, after=after), max_rows))
        phones = [self._decode(stored.decode_phone, PHONE, data) for _, data in items]
        return phones, _last_key(items)

    def iter_waiting(self) -> Iterator[Phone]:
        """The phones that wait for anything. Between two of them, the partition may be revoked (PartitionRevoked)."""
        for key in self._table.scan_index(self.partition):
            row = self.get_phone(key[1:].decode())
            if row is not None:
                yield row

    def scan_messages(self, after: bytes, max_rows: int) -> tuple[list[tuple[str, Message]], bytes]:
        """Up to `max_rows` messages after the key `after`, each with its phone, and the last key."""
        items = list(islice(self._table.scan(self.partition, MESSAGE, after=after), max_rows))
        messages = [
            (_split_key(key)[0], self._decode(stored.decode_message, MESSAGE, data))
            for key, data in items
        ]
        return messages, _last_key(items)

    def _decode(self, decode: Callable[[bytes], T], kind: bytes, data: bytes) -> T:
        """Decode a row. One that cannot be decoded ends the process, and is not recovered again."""
        try:
            return _decode(decode, kind, data)
        except UndecodableRow as error:
            self._table.reject_row(self.partition, error)

    # -- writing

    def make_changes(self, row: Phone, event: Event) -> list[Change]:
        """Everything that the event changed, except the removal of payloads that its effects need.

        The phone's row comes first.
        """
        changes = [self.make_phone_change(row), *_journal_changes(row.phone, row.journal, event)]
        assert _DECODERS.keys() >= {key[:1] for key, _ in changes}, "such a row is not recovered"
        return changes

    def make_phone_change(self, row: Phone) -> Change:
        """The first one of `make_changes`."""
        return PHONE + row.phone.encode(), None if row.is_removed else stored.encode_phone(row)

    async def commit(self, changes: Sequence[Change]) -> None:
        """Make the changes of some events durable, all or none."""
        await self._table.write(self.partition, changes)

    async def delete_spent_payloads(self, rows: Sequence[Phone]) -> None:
        """Remove the payloads that only effects of these rows needed, which must be published."""
        keys = [
            _request_key(PAYLOAD, row.phone, request_id)
            for row in rows
            if row.journal.removed_payloads
            for request_id in _find_needed_payloads(row.journal)
        ]
        await self._table.write(self.partition, [(key, None) for key in keys])


def split_row_key(key: bytes) -> tuple[bytes, str, str]:
    """The kind, the phone and, for a message's row, the request id of a key of the table."""
    phone, _, rest = key[1:].partition(b"\0")
    request_id = rest.decode(errors="replace") if key[:1] == MESSAGE else ""
    return key[:1], phone.decode(errors="replace"), request_id


def _journal_changes(phone: str, journal: Journal, event: Event) -> list[Change]:
    changes = [*_consent_changes(phone, journal)] if _has_consent(journal) else []
    for message in journal.messages:
        changes.append((_request_key(MESSAGE, phone, message.id), stored.encode_message(message)))
        if message.send_at_s or message.expires_at_s:
            changes.append(_make_scheduled_time(phone, message))
    for request_id in journal.removed_messages:
        changes.append((_request_key(MESSAGE, phone, request_id), None))
    for effect in journal.effects:
        if isinstance(effect, ForwardRequest) and effect.is_stored:
            changes.append((_request_key(SCHEDULED_TIME, phone, effect.id), None))
    for slot in journal.slots:
        value = None if slot.id is None else slot.id.encode()
        changes.append((_slot_key(phone, slot.queue, slot.seq), value))
    if journal.new_payload_id is not None and isinstance(event, RequestReceived):
        payload = Payload(
            source_record=event.source_record, content=event.content, reply_to=event.reply_to
        )
        key = _request_key(PAYLOAD, phone, journal.new_payload_id)
        changes.append((key, stored.encode_payload(payload)))
    if journal.removed_payloads:
        needed = _find_needed_payloads(journal)
        spent = [id_ for id_ in journal.removed_payloads if id_ not in needed]
        changes += [(_request_key(PAYLOAD, phone, request_id), None) for request_id in spent]
    return changes


def _has_consent(journal: Journal) -> bool:
    is_changed = journal.consent is not None or journal.is_consent_removed
    return is_changed or journal.kept_opt_out is not None


def _consent_changes(phone: str, journal: Journal) -> Iterator[Change]:
    if journal.consent is not None or journal.is_consent_removed:
        value = None if journal.consent is None else consent.encode(journal.consent)
        yield CONSENT + phone.encode(), value
    if (kept := journal.kept_opt_out) is not None:
        value = None if kept.consent is None else consent.encode(kept.consent)
        yield KEPT_OPT_OUT + kept.key.encode(), value


def _make_scheduled_time(phone: str, message: Message) -> Change:
    """Of a message with times of its own; none is stored once no event is to come for it."""
    time = _TIME.pack(message.wake_at_s) if message.wake_at_s else None
    return _request_key(SCHEDULED_TIME, phone, message.id), time


def _find_needed_payloads(journal: Journal) -> set[str]:
    """Those of the removed payloads that an effect is made of: without them it could not be published again."""
    removed = set(journal.removed_payloads)
    return removed and {
        effect.id
        for effect in journal.effects
        if isinstance(effect, Dispatch | PublishDeadLetter | ForwardRequest)
        and effect.id in removed
    }


def _last_key(items: list[tuple[bytes, bytes]]) -> bytes:
    return items[-1][0] if items else b""


def _request_key(kind: bytes, phone: str, request_id: str) -> bytes:
    return kind + phone.encode() + b"\0" + request_id.encode()


def _split_key(key: bytes) -> tuple[str, str]:
    phone, _, request_id = key[1:].partition(b"\0")
    return phone.decode(), request_id.decode()


def _slot_key(phone: str, queue: str, seq: int) -> bytes:
    return SLOT + b"\0".join((phone.encode(), queue.encode(), _SEQ.pack(seq)))
