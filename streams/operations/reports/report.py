"""A report of a time: reads the topics, and puts the figures together. Counts nothing itself.

The window is that of the acceptance: a report has the messages that were accepted (or rejected on arrival) in it, and
whatever became of them until now, also after its end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

import msgspec

from streams.contract.timestamps import format_rfc3339, parse_rfc3339
from streams.dispatch.records.consents import ConsentRecord
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.operations.consent import read_consents
from streams.operations.errors import UsageError
from streams.operations.reports import figures
from streams.operations.reports.figures import Dimension, Failure, Figures, Group, Hour
from streams.operations.reports.messages import build_messages
from streams.operations.reports.reading import Limits, read_columns
from streams.settings import Settings


class Consents(msgspec.Struct, frozen=True):
    """The decisions about marketing messages in the window. Of each recipient, only the last decision is known."""

    opted_out: int
    opted_out_by_message: int  # the recipient wrote it; the others were an operator's
    opted_in: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Times in RFC 3339; `zone` is that of the hours."""

    since: str
    until: str
    zone: str
    total: Figures
    by: Dimension | None
    groups: list[Group]
    failures: list[Failure]
    hours: list[Hour]
    consents: Consents

    @property
    def is_empty(self) -> bool:
        """Whether no message arrived in the window."""
        return not self.total.messages


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportQuery:
    """What to report. Times in epoch seconds; no end is now."""

    since_s: float
    until_s: float | None = None
    by: Dimension | None = None
    zone: tzinfo = field(default=UTC)


async def make_report(
    settings: Settings,
    query: ReportQuery,
    on_progress: Callable[[float], None] = lambda fraction: None,
    limits: Limits = Limits(),  # noqa: B008 — it cannot be changed
) -> Report:
    """Read everything since the beginning of the window.

    Raises:
        UsageError: the window ends before it begins, or has more than the limits allow.
        CommandFailed: the reading came to a stop.
        KafkaUnreachable, TopicNotFound: see streams/kafka/reader.py.
    """
    until_s = query.until_s
    if until_s is None:
        until_s = await fetch_broker_time_s(settings)
    if until_s <= query.since_s:
        raise UsageError("the report ends before it begins: its end must be after its beginning")
    columns = await read_columns(settings, query.since_s, on_progress, limits)
    messages = build_messages(columns, round(query.since_s * 1000), round(until_s * 1000))
    consents = await read_consents(settings)
    return Report(
        since=format_rfc3339(query.since_s),
        until=format_rfc3339(until_s),
        zone=str(query.zone),
        total=figures.count_all(messages),
        by=query.by,
        groups=figures.count_by(messages, query.by, query.zone) if query.by else [],
        failures=figures.count_failures(messages),
        hours=figures.count_hours(messages, query.zone),
        consents=_count_consents(consents, query.since_s, until_s),
    )


def _count_consents(records: Sequence[ConsentRecord], since_s: float, until_s: float) -> Consents:
    inside = [record for record in records if since_s <= _read_time_s(record) < until_s]
    opted_out = [record for record in inside if record.consent == "opted_out"]
    by_message = sum(record.source == "message" for record in opted_out)
    return Consents(len(opted_out), by_message, len(inside) - len(opted_out))


def _read_time_s(record: ConsentRecord) -> float:
    """When it was decided; 0 if another program wrote something else there."""
    try:
        return parse_rfc3339(record.at)
    except ValueError:
        return 0.0
