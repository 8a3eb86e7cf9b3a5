"""Reports how many dispatches a removed account still has, for the person who waits until it is drained.

Each dispatcher reports for its own partitions, whenever the number changes. Nothing depends on a report.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from streams.dispatch.accounts import Accounts
from streams.dispatch.flights.tracker import FlightTracker
from streams.dispatch.publisher import OutgoingRecord, Publisher
from streams.domain.accounts.requests import DrainReport, encode, report_key

INTERVAL_S: Final = 1.0


class DrainReporter:
    """Compares, once a second, what is in flight with what was reported."""

    def __init__(
        self,
        accounts: Accounts,
        flights: FlightTracker,
        owned_partitions: Callable[[], Sequence[int]],
        publisher: Publisher,
        topic: str,
    ) -> None:
        self._accounts = accounts
        self._flights = flights
        self._owned_partitions = owned_partitions
        self._publisher = publisher
        self._topic = topic
        self._reported: dict[tuple[str, int], DrainReport] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            await self.run_once()

    async def run_once(self) -> None:
        """Publish what has changed."""
        reports = {(report.account, report.partition): report for report in self._make_reports()}
        changed = [report for key, report in reports.items() if self._reported.get(key) != report]
        self._reported = reports
        if changed:
            await self._publisher.publish([self._make_record(report) for report in changed])

    def _make_reports(self) -> Iterator[DrainReport]:
        removed = self._accounts.removed
        if not removed:
            return
        counts = Counter((flight.in_flight.account, flight.partition) for flight in self._flights)
        for name, request in removed.items():
            for partition in self._owned_partitions():
                yield DrainReport(
                    account=name,
                    partition=partition,
                    in_flight=counts[name, partition],
                    requested_at_s=request.at_s,
                )

    def _make_record(self, report: DrainReport) -> OutgoingRecord:
        key = report_key(report.account, report.partition)
        return OutgoingRecord(self._topic, encode(report), key=key, partition=0)
