"""The records of `wa.alerts`: made from changes, and read back. Decides nothing."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from streams.contract.alerts import record as wire
from streams.contract.alerts.record import AlertRecord
from streams.contract.timestamps import format_rfc3339, parse_rfc3339
from streams.domain.alerts.evaluation import AlertKey, Change, Condition
from streams.domain.alerts.rules import RULES, Rule
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.settings import Settings


class RaisedAlert(NamedTuple):
    """The last record of an alert that is raised, and when the broker appended it."""

    record: AlertRecord
    append_s: float

    def to_condition(self) -> Condition:
        """What an evaluation needs to know of it."""
        return Condition(
            raised_at_s=parse_rfc3339(self.record.raised_at), published_at_s=self.append_s
        )


def make_record(
    change: Change, earlier: AlertRecord | None, rules: Iterable[Rule] = RULES
) -> AlertRecord | None:
    """The record of this change. `earlier`: the one that raised the alert, which speaks for a rule that is gone.

    None: there is neither the rule nor that record, so nothing can be said.
    """
    rule = next((rule for rule in rules if rule.name == change.key.rule), None)
    state = "raised" if change.is_raised else "cleared"
    labels, raised_at = dict(change.key.labels), format_rfc3339(change.raised_at_s)
    event_id = wire.make_event_id(change.key.rule, labels, raised_at, state)
    at = format_rfc3339(change.at_s)
    if rule is None:
        if earlier is None:
            return None
        return msgspec.structs.replace(earlier, event_id=event_id, state=state, at=at, value=None)
    return AlertRecord(
        event_id=event_id,
        alert=rule.name,
        state=state,
        severity=rule.severity,
        at=at,
        raised_at=raised_at,
        summary=rule.summary,
        labels=labels,
        value=earlier.value if change.is_repeat and earlier else change.value,
        threshold=rule.threshold,
        runbook=rule.runbook,
    )


def decode(value: bytes | None) -> AlertRecord | None:
    """The alert in this record; None: another program wrote it."""
    try:
        return None if value is None else wire.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


async def read_raised(settings: Settings) -> dict[AlertKey, RaisedAlert]:
    """The alerts that are raised, by the last record of each.

    Raises:
        KafkaUnreachable, TopicNotFound: see streams/kafka/reader.py.
    """
    raised: dict[AlertKey, RaisedAlert] = {}
    async with open_reader(settings, names(settings).alerts) as reader:
        async for record in reader.read_to_end():
            alert = decode(record.value)
            if alert is not None:
                key = get_key(alert)
                raised.pop(key, None)
                if alert.state == "raised":
                    raised[key] = RaisedAlert(alert, record.timestamp / 1000)
    return raised


def get_key(record: AlertRecord) -> AlertKey:
    """Which alert this record is about. The order of the labels is that of the rule."""
    return AlertKey(record.alert, tuple(record.labels.items()))
