"""Follows the samples of all workers, and publishes what the rules make of them. Decides nothing itself.

The dispatcher that owns one partition of the phone log evaluates, so it is one at a time. The fence keeps a process
from publishing that has lost it. What is raised is on `wa.alerts` alone: it is read when an evaluation begins, and
again before anything is published, so another evaluator's record is never repeated.

The log is the clock here too: the time of an evaluation is the append time of the sample that caused it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from aiokafka.errors import KafkaError

from streams.contract.alerts.record import AlertRecord, encode
from streams.dispatch.alerts.records import RaisedAlert, make_record, read_raised
from streams.dispatch.publisher import OutgoingRecord, Publisher
from streams.domain.alerts.evaluation import (
    CLEAR_AFTER_S,
    AlertKey,
    Change,
    State,
    evaluate,
    with_raised,
)
from streams.domain.alerts.history import LOOKBACK_S, SampleHistory
from streams.domain.alerts.rules import RULES, Rule, needed_s
from streams.domain.alerts.sample import decode
from streams.kafka.connection import KafkaUnreachable
from streams.kafka.reader import TopicNotFound, open_reader
from streams.kafka.topics import names
from streams.settings import Settings

log = logging.getLogger(__name__)

INTERVAL_S: Final = 15.0
_RETRY_DELAY_S: Final = 1.0


class AlertEvaluator:
    """Evaluates the rules while this process is the one to do it."""

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        now_s: Callable[[], float],
        *,
        is_evaluator: Callable[[], bool],
        rules: Sequence[Rule] = RULES,
        interval_s: float = INTERVAL_S,
        clear_after_s: float = CLEAR_AFTER_S,
    ) -> None:
        """`now_s` is the broker's time. `is_evaluator` says whether this process evaluates now."""
        self._settings = settings
        self._topics = names(settings)
        self._publisher = publisher
        self._now_s = now_s
        self._is_evaluator = is_evaluator
        self._rules = rules
        self._interval_s = interval_s
        self._clear_after_s = clear_after_s
        self._state: State = {}

    async def run(self) -> None:
        """Until cancelled. An outage is logged once."""
        is_broken = False
        while True:
            if self._is_evaluator():
                try:
                    await self._evaluate_samples()
                    is_broken = False
                except (KafkaError, KafkaUnreachable, TopicNotFound, OSError) as error:
                    if not is_broken:
                        log.warning("alerts cannot be evaluated: %s", error)
                    is_broken = True
            await asyncio.sleep(_RETRY_DELAY_S)

    async def _evaluate_samples(self) -> None:
        """Until this process is no longer the one to do it."""
        needed = needed_s()
        history = SampleHistory(needed)
        self._state = {}
        await self._read_raised()
        evaluated_at_s = 0.0
        async with open_reader(self._settings, self._topics.samples) as reader:
            ends = await reader.end_offsets()
            await reader.seek_to_time(self._now_s() - max(*needed.values(), LOOKBACK_S))
            async for record in reader.follow():
                if not self._is_evaluator():
                    return
                at_s = record.timestamp / 1000
                sample = decode(record.value)
                if sample is not None:
                    history.add(sample, at_s)
                is_new = record.offset >= max(ends.values())
                if is_new and abs(at_s - evaluated_at_s) >= self._interval_s:
                    evaluated_at_s = at_s
                    await self._evaluate(history, at_s)

    async def _evaluate(self, history: SampleHistory, now_s: float) -> None:
        state, changes = self._step(history, now_s)
        if changes:
            raised = await self._read_raised()
            state, changes = self._step(history, now_s)
            if not self._is_evaluator():
                return
            await self._publish(changes, raised)
        self._state = state

    def _step(self, history: SampleHistory, now_s: float) -> tuple[State, list[Change]]:
        return evaluate(self._state, history, now_s, self._rules, self._clear_after_s)

    async def _read_raised(self) -> dict[AlertKey, RaisedAlert]:
        """Learn what is raised."""
        raised = await read_raised(self._settings)
        conditions = {key: alert.to_condition() for key, alert in raised.items()}
        self._state = with_raised(self._state, conditions)
        return raised

    async def _publish(
        self, changes: Sequence[Change], raised: Mapping[AlertKey, RaisedAlert]
    ) -> None:
        records: list[AlertRecord] = []
        for change in changes:
            earlier = raised.get(change.key)
            record = make_record(change, earlier and earlier.record, self._rules)
            if record is not None:
                records.append(record)
        await self._publisher.publish(
            [
                OutgoingRecord(self._topics.alerts, encode(record), record.alert.encode(), 0)
                for record in records
            ]
        )
        for record in records:
            labels = ", ".join(f"{name} {value}" for name, value in record.labels.items())
            log.log(
                logging.WARNING if record.state == "raised" else logging.INFO,
                "alert %s %s%s: %s (%s)",
                record.alert,
                record.state,
                labels and f", {labels}",
                record.summary,
                record.runbook,
            )
