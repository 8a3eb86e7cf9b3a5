"""The records of the public topics, folded into what the audit keeps of them. No I/O, and no judgement.

The state grows by about 0.75 kB for a message with four events, and by half of that for a rejected record or a dead
letter. Texts, contents and metadata are not kept.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec
from msgspec.structs import replace

from streams.contract import dead_letter, status
from streams.contract.dead_letter import InvalidDeadLetter
from streams.contract.errors import InvalidRequest, Tombstone
from streams.contract.headers import Headers
from streams.contract.request.content import TemplateContent
from streams.contract.request.kinds import Batch, Forget
from streams.contract.request.parse import Request, parse_record
from streams.dispatch.batches import fan_out
from streams.domain.numbers import InvalidPhone
from streams.domain.phone.events import SourceRecord
from streams.domain.recipients import to_recipient
from streams.operations.audit.facts import (
    AnswerFact,
    InvalidRequestFact,
    LetterFact,
    MessageLog,
    RequestFact,
    StatusFact,
)


class Evidence:
    """What the topics say. `region` and `max_request_bytes` are the settings by which the requests were read."""

    def __init__(
        self, region: str | None, max_request_bytes: int, status_topic: str = "wa.status"
    ) -> None:
        self._region = region
        self._max_request_bytes = max_request_bytes
        self.status_topic = status_topic
        self.logs: dict[str, dict[str, MessageLog]] = {}  # by recipient, then by request id
        self.links: set[tuple[str, str, str]] = set()  # requested number, number of the chat, id
        self.invalid_requests: dict[str, InvalidRequestFact] = {}  # by coordinates
        self.answers: dict[str, list[AnswerFact]] = {}  # by the coordinates of the answered record
        self.letters: dict[str, LetterFact] = {}  # by the id of the dead letter
        self.request_count = self.event_count = self.letter_count = 0
        self.unreadable_records: list[str] = []  # of `wa.status`, which only the service writes
        self.foreign_letter_count = 0  # records of other programs in `wa.dlq`
        self.forgotten: dict[str, float] = {}  # recipient → when it was last requested to forget it

    def iterate_logs(self) -> Iterator[MessageLog]:
        """Every message."""
        for logs in self.logs.values():
            yield from logs.values()

    def add_request(
        self,
        coordinates: str,
        append_s: float,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> None:
        """A record of `wa.outbound`. One without a value requests nothing; each member of a batch is a request."""
        topic, partition, offset = coordinates.rsplit(":", 2)
        self._add_record(
            SourceRecord(
                topic=topic,
                partition=int(partition),
                offset=int(offset),
                key=key,
                value=value,
                headers=tuple(headers),
            ),
            append_s,
        )

    def _add_record(self, record: SourceRecord, append_s: float) -> None:
        try:
            request = parse_record(
                record.value,
                record.headers,
                max_bytes=self._max_request_bytes,
                key=record.key,
                is_message=record.member is not None,
            )
        except Tombstone:
            return
        except InvalidRequest as error:
            id_, to = error.partial.id or record.coordinates, error.partial.to
            self.request_count += 1
            self.invalid_requests[record.coordinates] = InvalidRequestFact(append_s, id_, to)
            return
        if isinstance(request, Batch):
            for member in fan_out.split(request, record):
                self._add_record(member, append_s)
        elif isinstance(request, Request):
            self._add_message(request, record.coordinates, append_s)
        elif isinstance(request, Forget):
            self._add_forget(request, append_s)
        else:
            self.request_count += 1  # a cancel: it is answered only if nothing can be cancelled

    def _add_message(self, request: Request, coordinates: str, append_s: float) -> None:
        self.request_count += 1
        id_ = request.id or coordinates
        try:
            phone = to_recipient(request.to, self._region)
        except InvalidPhone:
            self.invalid_requests[coordinates] = InvalidRequestFact(append_s, id_, request.to)
            return
        log = self._get_log(phone, id_)
        log.requests += (_make_request_fact(coordinates, append_s, request),)

    def _add_forget(self, request: Forget, append_s: float) -> None:
        self.request_count += 1
        try:
            self.forgotten[to_recipient(request.to, self._region)] = append_s
        except InvalidPhone:
            return  # its answer is read like any other

    def add_status(self, record: str, value: bytes | None) -> None:
        """A record of `wa.status`. `record` is its topic, partition and offset."""
        try:
            event = status.decode(value or b"")
            at_s = datetime.fromisoformat(event.at).timestamp()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
            self.unreadable_records.append(record)
            return
        self.event_count += 1
        # A repeat of the request under another number of the recipient gets the same fact.
        digest = hash(status.encode(replace(event, requested_to=None)))
        _, _, fact_name = event.event_id.partition("/")
        suffix = fact_name.removeprefix(f"{event.id}/{event.status}/")
        if not suffix.isdecimal():
            answer = AnswerFact(record, event.id, event.to, at_s, digest)
            self.answers.setdefault(suffix, []).append(answer)
            return
        phone = event.to or ""
        if event.requested_to is not None and event.requested_to != phone:
            self.links.add((event.requested_to, phone, event.id))
        _, partition, offset = record.rsplit(":", 2)
        fact = StatusFact(
            status=event.status,
            number=int(suffix),
            partition=int(partition),
            offset=int(offset),
            at_ms=round(at_s * 1000),
            digest=digest,
            whatsapp_digest=hash(event.whatsapp_id) if event.whatsapp_id else 0,
            reason=event.reason,
        )
        log = self._get_log(phone, event.id)
        log.events += fact.pack()

    def add_letter(
        self, record: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        """A record of `wa.dlq`."""
        try:
            info = dead_letter.parse(key, value, headers).info
            failed_s = datetime.fromisoformat(info.last_failed_at).timestamp()
        except (InvalidDeadLetter, ValueError):
            self.foreign_letter_count += 1
            return
        self.letter_count += 1
        fact = LetterFact(record, info.id, info.request_id, failed_s, info.outcome)
        self.letters.setdefault(info.id, fact)

    def format_record(self, fact: StatusFact) -> str:
        """Where this event is."""
        return f"{self.status_topic}:{fact.partition}:{fact.offset}"

    def _get_log(self, phone: str, id_: str) -> MessageLog:
        logs = self.logs.setdefault(phone, {})
        log = logs.get(id_)
        if log is None:
            log = logs[id_] = MessageLog(phone, id_)
        return log


def _make_request_fact(coordinates: str, append_s: float, request: Request) -> RequestFact:
    return RequestFact(
        coordinates=coordinates,
        append_s=append_s,
        queue=f"{request.priority} {request.category}",
        # A template may have a category of its own.
        is_plain=request.account is None
        and request.changed_id is None
        and not request.send_at_s
        and not isinstance(request.content, TemplateContent),
        replay_of=request.replay_of,
        is_forced=request.is_replay_forced,
    )
