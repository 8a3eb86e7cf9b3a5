"""The verdict on a run with a silent participant: who was late, and what became of everything.

A delay counts from the request to the moment at which WhatsApp's server has the message. What a message is late by is
its delay beyond the median of the time before the fault. That time begins when the service has caught up after its
start: on a busy machine with three brokers, the first messages wait for seconds in the phone log.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

from tests.chaos.liveness.flow import Flow, Requested
from tests.chaos.liveness.service import Service
from tests.support.verdict import Verdict, check_by_audit, find_wrong_order, judge, read_number
from tests.support.waiting import wait_until

FINAL = {"sent", "failed", "rejected", "expired", "cancelled", "unknown"}
MAX_LATE_S = 5.0
BASELINE_REQUESTS = 40
MAX_BACKLOG = 8  # requests that are not sent yet; two seconds of the flow


@dataclass
class Run:
    """A flow, and the moment from which something was silent."""

    service: Service
    flow: Flow
    baseline_start: int = 0  # how many were requested before the baseline
    fault_at_s: float = 0.0
    verdict: Verdict = field(default_factory=lambda: Verdict({}, 0))

    def begin_fault(self) -> None:
        """What has not arrived by now is judged; what has is the baseline."""
        self.fault_at_s = time.time()

    async def finish(self, timeout_s: float = 120.0) -> None:
        """Stop the flow, and wait until each message has its final status."""
        await self.flow.stop()
        ids = [requested.id for requested in self.flow.requested]
        await self.service.caller.wait_for_statuses(ids, FINAL, timeout_s)
        self.verdict = judge(await self.service.control.fetch_log())
        await check_by_audit(self.service.system.settings)

    def check(
        self,
        title: str,
        unaffected: Collection[str],
        *,
        max_late_s: float = MAX_LATE_S,
        not_sent: Mapping[str, str] | None = None,
    ) -> None:
        """Nobody unaffected was late, and nothing was lost, repeated, or sent out of order (but after a doubt).

        `not_sent`: the final status of each message that is not `sent`.
        """
        not_sent = not_sent or {}
        late_s = self._get_late_s(unaffected)
        self._report(title, late_s)
        assert max(late_s.values()) <= max_late_s, _find_latest(late_s)
        assert self.verdict.duplicates == []
        pairs = self.verdict.find_out_of_order(read_number)
        wrong = find_wrong_order(pairs, self.service.caller.status_events())
        assert wrong == [], self._describe(wrong)
        final = self.read_final()
        assert {id: status for id, status in final.items() if status != "sent"} == not_sent
        assert self.verdict.find_lost(id for id in final if id not in not_sent) == []

    def _describe(self, pairs: Collection[tuple[str, str]]) -> str:
        """What became of each of these messages, and when."""
        ids = {id for pair in pairs for id in pair}
        events = [e for e in self.service.caller.status_events() if e["id"] in ids]
        return "\n".join(str(event) for event in (pairs, *events))

    def read_final(self) -> dict[str, str]:
        """The final status of each message; a receipt after `unknown` does not count here."""
        final: dict[str, str] = {}
        for event in self.service.caller.status_events():
            if event["status"] in FINAL:
                final.setdefault(event["id"], event["status"])
        return final

    def read_accounts(self, phones: Collection[str]) -> Mapping[str, str]:
        """The account that sent last to each of these recipients."""
        events = self.service.caller.status_events()
        sent = [event for event in events if event["status"] == "sent" and event["to"] in phones]
        return {event["to"]: event["account"] for event in sent}

    async def wait_until_arrived(self, requested: Requested) -> None:
        """Wait until WhatsApp's server has this message."""

        async def has_arrived() -> bool:
            rows = await self.service.control.fetch_log()
            return any(row["body"] == requested.id for row in rows)

        await wait_until(has_arrived, message=f"{requested.id} never arrived")

    async def wait_until_moved(self, phones: Collection[str], account: str) -> None:
        """Wait until this account has sent to each of these recipients."""
        expected = dict.fromkeys(phones, account)
        await wait_until(
            lambda: self.read_accounts(phones) == expected,
            timeout_s=90.0,
            message=f"they never all moved to {account}: {self.read_accounts(phones)}",
        )

    def _get_late_s(self, phones: Collection[str]) -> dict[str, float]:
        usual_s = median(self._get_delay_s(r) for r in self._before)
        return {r.id: self._get_delay_s(r) - usual_s for r in self._after if r.phone in phones}

    def _get_delay_s(self, requested: Requested) -> float:
        rows = self.verdict.shown.get(requested.id)
        if not rows:
            return float("inf")
        return datetime.fromisoformat(rows[0]["at"]).timestamp() - requested.at_s

    @property
    def _before(self) -> list[Requested]:
        """The baseline, without the messages since the start: they open their chats all at once."""
        requested = self.flow.requested[self.baseline_start :]
        return [r for r in requested if self._arrived_before_fault(r)]

    @property
    def _after(self) -> list[Requested]:
        """What was requested since the fault, or was on its way when it began."""
        return [r for r in self.flow.requested if not self._arrived_before_fault(r)]

    def _arrived_before_fault(self, requested: Requested) -> bool:
        return requested.at_s + self._get_delay_s(requested) < self.fault_at_s

    def _report(self, title: str, late_s: Mapping[str, float]) -> None:
        before = sorted(self._get_delay_s(requested) for requested in self._before)
        others = [self._get_delay_s(r) for r in self._after if r.id not in late_s]
        shown = sorted(delay_s for delay_s in others if delay_s != float("inf"))
        print(
            f"\n{title}: before, {len(before)} messages took {median(before):.2f} s, {before[-1]:.2f} s at most;"
            f" then {len(late_s)} to unaffected recipients were late by {max(late_s.values()):.2f} s at most;"
            f" {len(others)} to the others took {shown[-1] if shown else 0.0:.1f} s at most;"
            f" shown {len(self.verdict.shown)}, twice {len(self.verdict.duplicates)},"
            f" repeats dropped by phones {self.verdict.dropped};"
            f" final {dict(Counter(self.read_final().values()))}",
            flush=True,
        )


def _find_latest(late_s: Mapping[str, float]) -> list[tuple[str, float]]:
    """The worst, for the message of a failure."""
    return sorted(late_s.items(), key=lambda item: -item[1])[:10]


@asynccontextmanager
async def run_flow(service: Service) -> AsyncIterator[Run]:
    """A flow with its baseline; the block begins the fault, ends it, and calls `finish` and `check`."""
    flow = Flow(service)
    await flow.start()
    try:
        await _wait_until_caught_up(service, flow)
        start = len(flow.requested)
        await wait_until(lambda: len(flow.requested) >= start + BASELINE_REQUESTS)
        await _wait_until_caught_up(service, flow)
        yield Run(service, flow, start)
    finally:
        await flow.stop()


async def _wait_until_caught_up(service: Service, flow: Flow) -> None:
    """Wait until what is late from now on is not late since the start."""

    def has_caught_up() -> bool:
        sent = {
            event["id"] for event in service.caller.status_events() if event["status"] == "sent"
        }
        return len(flow.requested) - len(sent) <= MAX_BACKLOG

    await wait_until(
        has_caught_up, message="the service is slower than the flow, without any fault"
    )
