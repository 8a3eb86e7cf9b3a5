"""Forged topics: the records that a service would have written, and those that it must never write. In memory.

Each record has the encoding of a real one. Times are seconds after `START_S`.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from streams.contract import status
from streams.contract.dead_letter import DeadLetter, DeadLetterInfo, DeadLetterOutcome
from streams.contract.errors import ErrorInfo
from streams.contract.status import Reason, Status
from streams.contract.timestamps import format_rfc3339
from streams.operations.audit.evidence import Evidence
from streams.operations.audit.facts import Report, Terms
from streams.operations.audit.judge import judge

START_S = 1_795_000_000.0
PHONE, OTHER_PHONE = "+60123456789", "+60123456780"
LIMIT = 3
ERROR = ErrorInfo(code="media_rejected", class_="permanent", title="The file was refused")


class ForgedTopics:
    """The three public topics, each with one partition.

    `cut`: the retention has deleted so many of the first records of `outbound`, `status` and `dlq`.
    """

    def __init__(self, cut: Mapping[str, int] | None = None) -> None:
        self.evidence = Evidence(None, 1 << 20)
        self._counts: Counter[str] = Counter()
        self._cut = cut or {}
        self._first_times: dict[str, float] = {}
        self._now = 0.0

    def request(
        self,
        id: str = "a",
        to: str = PHONE,
        at: float = 0.0,
        *,
        replay_of: str | None = None,
        is_forced: bool = False,
        **fields: Any,
    ) -> str:
        """A record of `wa.outbound`; returns its coordinates."""
        value = orjson.dumps({"id": id, "to": to, "text": "hello", **fields})
        return self.request_bytes(value, at, replay_of=replay_of, is_forced=is_forced)

    def request_bytes(
        self,
        value: bytes | None,
        at: float = 0.0,
        *,
        replay_of: str | None = None,
        is_forced: bool = False,
    ) -> str:
        """A record with this value."""
        record = self._place("wa.outbound")
        headers: list[tuple[str, bytes | None]] = []
        if replay_of is not None:
            headers += [("wa-replay-of", replay_of.encode()), ("wa-replay-count", b"1")]
        if is_forced:
            headers.append(("wa-replay-force", b"true"))
        if self._is_kept(record, at):
            self.evidence.add_request(record, START_S + at, None, value, headers)
        return record

    def event(
        self,
        name: Status,
        id: str = "a",
        to: str | None = PHONE,
        at: float = 1.0,
        *,
        suffix: str = "1",
        whatsapp_id: str | None = None,
        reason: Reason | None = None,
        requested_to: str | None = None,
        account: str | None = None,
    ) -> str:
        """A record of `wa.status`; returns where it is."""
        event = status.make(
            id=id,
            status=name,
            event_id_suffix=suffix,
            at_s=START_S + at,
            to=to,
            requested_to=requested_to,
            whatsapp_id=whatsapp_id,
            reason=reason,
            account=account,
            error=ERROR if name in ("failed", "rejected", "unknown") else None,
        )
        return self.event_bytes(status.encode(event), at)

    def event_bytes(self, value: bytes, at: float = 1.0) -> str:
        """A record with this value."""
        record = self._place("wa.status")
        if self._is_kept(record, at):
            self.evidence.add_status(record, value)
        return record

    def events(self, *names: Status, id: str = "a", to: str = PHONE, at: float = 1.0) -> None:
        """Several events of one message, a millisecond apart; those of WhatsApp carry an id."""
        for number, name in enumerate(names):
            has_id = name in ("sent", "delivered", "read", "played")
            whatsapp_id = f"3EB0{to}{id}" if has_id else None
            self.event(name, id, to, at + number / 1000, whatsapp_id=whatsapp_id)

    def letter(
        self,
        record: str,
        request_id: str = "a",
        at: float = 1.0,
        outcome: DeadLetterOutcome = "not_sent",
    ) -> str:
        """The dead letter of the record or batch member at these coordinates of `wa.outbound`; returns where it is."""
        topic, partition, place_in_topic = record.rsplit(":", 2)
        offset, _, _member = place_in_topic.partition("/")
        info = DeadLetterInfo(
            id=record,
            reason=ERROR.code,
            error_class=ERROR.class_,
            message=ERROR.title,
            attempts=1,
            first_failed_at=format_rfc3339(START_S + at),
            last_failed_at=format_rfc3339(START_S + at),
            topic=topic,
            partition=int(partition),
            offset=int(offset),
            timestamp=0,
            outcome=outcome,
            request_id=request_id,
            replay_count=0,
        )
        place = self._place("wa.dlq")
        headers = DeadLetter(info=info).build_record_headers()
        if self._is_kept(place, at):
            self.evidence.add_letter(place, None, b"{}", headers)
        return place

    def judge(self, now: float = 1000.0, **terms: Any) -> Report:
        """The verdict of an audit at this time."""
        defaults: dict[str, Any] = {
            "now_s": START_S + now,
            "limit": LIMIT,
            "answer_timeout_s": 60.0,
            "idempotency_window_s": 604_800.0,
        }
        return judge(self.evidence, Terms(**defaults | terms))

    def find_kinds(self, now: float = 1000.0, **terms: Any) -> set[str]:
        """The kinds of all violations."""
        return {violation.kind for violation in self.judge(now, **terms).violations}

    def get_cut_terms(self, now: float) -> dict[str, float]:
        """From which time on each topic is whole."""
        fields = {"outbound": "requests", "status": "statuses", "dlq": "letters"}
        return {
            f"{fields[topic]}_from_s": START_S + self._first_times.get(f"wa.{topic}", now) + 0.001
            for topic, count in self._cut.items()
            if count and self._counts[f"wa.{topic}"]
        }

    def _is_kept(self, record: str, at: float) -> bool:
        """A repeated event has an old time, and is appended now."""
        self._now = max(self._now, at)
        topic, _, offset = record.rsplit(":", 2)
        if int(offset) < self._cut.get(topic.removeprefix("wa."), 0):
            return False
        self._first_times.setdefault(topic, self._now)
        return True

    def _place(self, topic: str) -> str:
        self._counts[topic] += 1
        return f"{topic}:0:{self._counts[topic] - 1}"
