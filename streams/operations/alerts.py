"""Which alerts are raised, and what changes: read from `wa.alerts`. Decides nothing.

Without a dispatcher nobody evaluates the rules, and what the topic says is the past: `AlertReport` tells when.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from streams.contract.alerts.record import AlertRecord
from streams.dispatch.alerts.records import decode, read_raised
from streams.domain.alerts import sample as samples
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.settings import Settings

# Three samples of the worker that evaluates.
MAX_EVALUATION_AGE_S: Final = 45.0


@dataclass(frozen=True, slots=True)
class AlertReport:
    """The alerts that are raised, the newest first."""

    raised: list[AlertRecord]
    is_current: bool  # a dispatcher evaluates the rules now


def build_runbook_url(settings: Settings, alert: str) -> str | None:
    """The address of the page about this alert; None: `WA_RUNBOOK_URL` is not set."""
    url = settings.runbook_url
    return None if url is None else url.replace("{alert}", quote(alert, safe=""))


async def read_alerts(settings: Settings) -> AlertReport:
    """What is raised now.

    Raises:
        KafkaUnreachable, TopicNotFound: see streams/kafka/reader.py.
    """
    raised = await read_raised(settings)
    records = [alert.record for alert in raised.values()]
    records.sort(key=lambda record: (record.raised_at, record.alert), reverse=True)
    return AlertReport(records, await _is_evaluated(settings))


async def _is_evaluated(settings: Settings) -> bool:
    since_s = await fetch_broker_time_s(settings) - MAX_EVALUATION_AGE_S
    async with open_reader(settings, names(settings).samples) as reader:
        await reader.seek_to_time(since_s)
        async for record in reader.read_to_end():
            sample = samples.decode(record.value)
            if sample is not None and sample.is_evaluator:
                return True
    return False


async def follow_alerts(settings: Settings) -> AsyncIterator[AlertRecord]:
    """What is raised, the oldest first, and then every change, for ever. A repeat is left out.

    Raises:
        KafkaUnreachable, TopicNotFound: see streams/kafka/reader.py.
    """
    seen: set[str] = set()
    async with open_reader(settings, names(settings).alerts) as reader:
        ends = await reader.end_offsets()
        raised: dict[tuple[str, str], AlertRecord] = {}
        async for record in reader.read_to_end():
            alert = decode(record.value)
            if alert is not None and record.offset < max(ends.values()):
                seen.add(alert.event_id)
                key = alert.alert, str(alert.labels)
                raised.pop(key, None)
                if alert.state == "raised":
                    raised[key] = alert
        for alert in raised.values():
            yield alert
        reader.seek(ends)
        async for record in reader.follow():
            alert = decode(record.value)
            if alert is not None and alert.event_id not in seen:
                seen.add(alert.event_id)
                yield alert
