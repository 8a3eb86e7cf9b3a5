"""A batch becomes one record for each member: a single request, which is also what its dead letter holds.

The records follow from the batch's record alone, so that a batch that is read twice gives the same requests. The
headers and the key of the batch are not copied into them. Nothing is published here.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import orjson

from streams.contract import cloudevents
from streams.contract.headers import Headers, get_text
from streams.contract.request.form import is_id
from streams.contract.request.kinds import MAX_BATCH_ID_BYTES, MAX_BATCH_MEMBERS, Batch
from streams.domain.batch.events import default_id
from streams.domain.phone.events import BatchMember, SourceRecord
from streams.domain.recipients import to_recipient_key

# `<index>/<batch_id>`. It stays with the record, so that a replay of its dead letter is the same member.
MEMBER_HEADER: Final = "wa-batch-member"
_MAX_TO_CHARACTERS: Final = 128


def split(batch: Batch, record: SourceRecord) -> Iterator[SourceRecord]:
    """The record of each member, in order."""
    for index, body in enumerate(batch.members, batch.first):
        member_id = default_id(batch.batch_id, index)
        fields = cast("dict[str, Any]", body) if isinstance(body, dict) else None
        value = body if fields is None else _complete(fields, batch.batch_id, member_id)
        yield SourceRecord(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            member=index,
            timestamp_ms=record.timestamp_ms,
            key=None if fields is None else _make_key(fields),
            value=orjson.dumps(value),
            headers=(
                *batch.trace,
                (cloudevents.ID_HEADER, member_id.encode()),
                (MEMBER_HEADER, f"{index}/{batch.batch_id}".encode()),
            ),
        )


def read_member(headers: Headers) -> BatchMember | None:
    """The batch that a record is a member of; None: it is a request of its own."""
    index, separator, batch_id = (get_text(headers, MEMBER_HEADER) or "").partition("/")
    if not separator or not index.isdecimal() or not index.isascii() or len(index) > 7:
        return None
    if int(index) >= MAX_BATCH_MEMBERS or not is_id(batch_id):
        return None
    if len(batch_id.encode()) > MAX_BATCH_ID_BYTES:
        return None
    return BatchMember(batch_id=batch_id, index=int(index))


def _complete(fields: Mapping[str, Any], batch_id: str, member_id: str) -> dict[str, Any]:
    """The request with the id and the batch id that it needs outside its batch."""
    own_id = fields.get("id")
    return {**fields, "id": member_id if own_id is None else own_id, "batch_id": batch_id}


def _make_key(fields: Mapping[str, Any]) -> bytes | None:
    """Like the client's: a replay stays in order with other requests for its recipient."""
    to = fields.get("to") or fields.get("phoneNumber")
    if not isinstance(to, str) or len(to) > _MAX_TO_CHARACTERS:
        return None
    return to_recipient_key(to).encode(errors="replace")
