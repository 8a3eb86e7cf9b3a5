"""Finds other processes that deliver to the same endpoints: each event would be posted twice. It ends none of them.

The data folder is locked, but another machine has another one. Every process publishes samples, so each sees those of
the others. Which one is to stop is a person's decision: their files know different things.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from typing import Final

from aiokafka.errors import KafkaError

from streams.domain.alerts import sample as samples
from streams.domain.alerts.sample import Sample
from streams.kafka.connection import KafkaUnreachable
from streams.kafka.reader import TopicNotFound, open_reader
from streams.kafka.topics import names
from streams.settings import Settings

log = logging.getLogger(__name__)

MAX_AGE_S: Final = 45.0  # three samples
_RETRY_DELAY_S: Final = 1.0
_PREFIX: Final = "wa_webhook_"


class Rivals:
    """Other processes, as their samples show them. `process`: the name of this run, which no other one has."""

    def __init__(
        self,
        settings: Settings,
        process: str,
        endpoints: Collection[str],
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._process = process
        self._endpoints = frozenset(endpoints)
        self._monotonic_s = monotonic_s
        self._seen: dict[str, tuple[float, str, list[str]]] = {}  # by process

    @property
    def problem(self) -> str | None:
        """Which endpoints another process delivers to, for people; None: there is none now."""
        oldest_s = self._monotonic_s() - MAX_AGE_S
        self._seen = {name: seen for name, seen in self._seen.items() if seen[0] >= oldest_s}
        texts = [
            f"another process ({worker}) posts every event of {', '.join(endpoints)} too: stop one of the two"
            for _, worker, endpoints in self._seen.values()
        ]
        return "; ".join(sorted(texts)) or None

    async def run(self) -> None:
        """Follow the samples from now on, until cancelled. What this folder's last process has published is past."""
        topic = names(self._settings).samples
        is_broken = False
        while True:
            try:
                async with open_reader(self._settings, topic) as reader:
                    await reader.seek_to_end()
                    is_broken = False
                    async for record in reader.follow():
                        self.note(samples.decode(record.value))
            except (KafkaError, KafkaUnreachable, TopicNotFound, OSError) as error:
                if not is_broken:
                    log.warning("other processes of webhooks cannot be noticed: %s", error)
                is_broken = True
            await asyncio.sleep(_RETRY_DELAY_S)

    def note(self, sample: Sample | None) -> None:
        """A sample was published now."""
        if sample is None or sample.process in ("", self._process):
            return
        named = {
            each.labels.get("endpoint", "")
            for each in sample.series
            if each.metric.startswith(_PREFIX)
        }
        if not (shared := sorted(named & self._endpoints)):
            return
        is_new = sample.process not in self._seen
        self._seen[sample.process] = (self._monotonic_s(), sample.worker, shared)
        if is_new:
            log.error("%s", self.problem)
