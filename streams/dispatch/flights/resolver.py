"""Ends the flights that no sender answers: it reports them overdue, reads their claims, publishes their outcomes.

The order of these steps makes the answer exact (see the package). It touches no row, and publishes only to the phone
log. Which result follows from a claim is decided in domain/sending/unanswered.py.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from msgspec.structs import replace

from streams.dispatch.flights.claim_reader import Claims, ClaimsRead, ClaimsUnreadable
from streams.dispatch.flights.tracker import Flight, FlightTracker, Instant
from streams.dispatch.publisher import OutgoingRecord, Publisher
from streams.domain.phone import events
from streams.domain.phone.events import Deferred, Event, FlightOverdue, Outcome, Result
from streams.domain.phone.handlers.overdue import give_up_at_s
from streams.domain.policy import Policy
from streams.domain.sending.message_id import derive_whatsapp_id
from streams.domain.sending.results import in_doubt_result
from streams.domain.sending.unanswered import result_of_unanswered
from streams.runtime.broker.publisher import AppStopped

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each step waits, in seconds."""

    interval_s: float = 0.5  # between two rounds
    # An account is without a sender for this long before its messages are handed over: a standby, or a restart, may
    # take them in this time. It also covers a command that was published twice, and arrives late.
    lost_s: float = 2.0
    # After the last deadline: covers the difference between the clocks of two brokers.
    margin_s: float = 5.0
    # A sender that is alive answers itself, even if its page does not: much later than its deadline.
    alive_margin_s: float = 60.0
    # An event that was published and has had no effect yet is published again after this time.
    repeat_s: float = 30.0
    # Claims that cannot be read for this long, or a broker's clock that does not reach the last deadline because
    # it was set back: the messages stay with their account, in doubt.
    unreadable_s: float = 60.0


DEFAULT_PATIENCE: Final = Patience()


class Senders(Protocol):
    """What the resolver needs to know of the accounts' senders."""

    def is_sender_alive(self, name: str) -> bool:
        """Whether a process of this account runs, whatever the account can do now."""
        ...

    def lost_for_s(self, name: str) -> float:
        """For how long the account has certainly been without a sender; 0: it may have one."""
        ...

    def can_others_send(self, name: str) -> bool:
        """Whether another account is ready."""
        ...


class FlightMetrics(Protocol):
    """What the resolver counts."""

    def count_resolved_flight(self, result: str) -> None:
        """A flight got its outcome without its sender."""
        ...


class Resolver:
    """Runs beside the phone stage, for the flights that the tracker has."""

    def __init__(
        self,
        flights: FlightTracker,
        claims: Claims,
        publisher: Publisher,
        metrics: FlightMetrics,
        *,
        phone_topic: str,
        namespace: str,
        policy: Policy,
        senders: Senders,
        patience: Patience = DEFAULT_PATIENCE,
    ) -> None:
        self._flights = flights
        self._claims = claims
        self._publisher = publisher
        self._metrics = metrics
        self._phone_topic = phone_topic
        self._namespace = namespace
        self._policy = policy
        self._senders = senders
        self._patience = patience
        self._unreadable_since_s: dict[str, float] = {}  # monotonic

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await asyncio.sleep(self._patience.interval_s)
                await self._run_round()
        finally:
            await self._claims.close()

    async def _run_round(self) -> None:
        """An error costs one round: it must not end the dispatcher, which serves other accounts."""
        try:
            await self.run_once()
        except AppStopped:
            raise
        except Exception:
            log.exception("a round of the resolver failed")

    async def run_once(self) -> None:
        """Go on with each flight that has to end now, by one step."""
        now = self._flights.now()
        overdue = [flight for flight in self._flights if self._has_to_end(flight, now)]
        await self._report([flight for flight in overdue if self._is_to_be_reported(flight)])
        to_resolve: defaultdict[str, list[Flight]] = defaultdict(list)
        for flight in overdue:
            if flight.is_marked and self._is_silent(flight) and self._is_closed(flight):
                to_resolve[flight.in_flight.account].append(flight)
        await self._claims.close(except_accounts=to_resolve)
        for account, flights in to_resolve.items():
            await self._resolve(account, flights)

    # -- which flights

    def _has_to_end(self, flight: Flight, now: Instant) -> bool:
        is_overdue = flight.is_overdue(now, self._get_margin_s(flight))
        return is_overdue or self._is_to_be_handed_over(flight)

    def _is_to_be_handed_over(self, flight: Flight) -> bool:
        """Whether its account has lost its sender, and another one can have the message before the deadline.

        A message in doubt cannot move. The barrier makes the answer exact, also if the sender is not lost.
        """
        account = flight.in_flight.account
        if (
            flight.in_flight.is_in_doubt
            or self._senders.lost_for_s(account) < self._patience.lost_s
        ):
            return False
        since = flight.published_by or flight.since
        is_new = self._flights.now().mono_s < since.mono_s + self._patience.lost_s
        return not is_new and self._senders.can_others_send(account)

    def _get_margin_s(self, flight: Flight) -> float:
        is_alive = self._senders.is_sender_alive(flight.in_flight.account)
        return self._patience.alive_margin_s if is_alive else self._patience.margin_s

    def _is_closed(self, flight: Flight) -> bool:
        """Whether no claim can be in time any more, or the broker's clock will not say so for long.

        What is handed over need not wait for that: no claim behind the barrier counts.
        """
        if flight.published_by is None:
            return False
        if self._is_to_be_handed_over(flight):
            return True
        now, margin_s = self._flights.now(), self._get_margin_s(flight)
        if now.broker_s >= flight.closes_at_s + self._patience.margin_s:
            return True
        return flight.is_overdue(now, margin_s + self._patience.unreadable_s)

    def _is_silent(self, flight: Flight) -> bool:
        """Whether the last event about it was published so long ago that it is not on its way any more."""
        now = self._flights.now()
        return now.mono_s >= flight.reported_mono_s + self._patience.repeat_s

    def _is_to_be_reported(self, flight: Flight) -> bool:
        """Not marked yet, or it was tried, and the time of the last resort has come."""
        if not self._is_silent(flight):
            return False
        if not flight.is_marked:
            return True
        give_up_s = give_up_at_s(flight.in_flight, self._policy)
        return flight.resolve_count > 0 and self._flights.now().broker_s >= give_up_s

    # -- what is published

    async def _report(self, flights: Sequence[Flight]) -> None:
        overdue = [
            FlightOverdue(
                phone=flight.phone,
                id=flight.in_flight.id,
                dispatch_number=flight.in_flight.dispatch_number,
                whatsapp_id=self._derive_id(flight),
            )
            for flight in flights
        ]
        await self._publish(zip(flights, overdue, strict=True))

    async def _resolve(self, account: str, flights: Sequence[Flight]) -> None:
        for flight in flights:
            flight.resolve_count += 1
        claims = await self._read_claims(account, [self._derive_id(flight) for flight in flights])
        if claims is None:
            return
        results = [self._get_result(flight, claims) for flight in flights]
        outcomes = map(self._make_outcome, flights, results)
        await self._publish(zip(flights, outcomes, strict=True))
        counts = Counter(map(_name_result, results))
        for name, count in counts.items():
            for _ in range(count):
                self._metrics.count_resolved_flight(name)
        text = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        log.warning("no sender of %s answers its dispatches; its claims say: %s", account, text)

    async def _read_claims(
        self, account: str, whatsapp_ids: Sequence[str]
    ) -> ClaimsRead | ClaimsUnreadable | None:
        """The rows, or why there are none; None: it is tried again."""
        try:
            claims = await self._claims.read(account, whatsapp_ids)
        except ClaimsUnreadable as error:
            if account not in self._unreadable_since_s:
                log.warning("the claims of %s cannot be read: %s", account, error)
            now_s = self._flights.now().mono_s
            since_s = self._unreadable_since_s.setdefault(account, now_s)
            is_final = error.is_missing or now_s >= since_s + self._patience.unreadable_s
            return error if is_final else None
        self._unreadable_since_s.pop(account, None)
        return claims

    def _get_result(self, flight: Flight, claims: ClaimsRead | ClaimsUnreadable) -> Result:
        if isinstance(claims, ClaimsUnreadable):
            in_doubt = in_doubt_result(f"its sender did not answer, and {claims}")
            return replace(in_doubt, is_unread=not claims.is_missing)
        return result_of_unanswered(
            flight.in_flight,
            claims.rows[self._derive_id(flight)],
            now_s=claims.appended_s,
            closes_at_s=0.0 if claims.is_last_word else flight.closes_at_s,
            idempotency_window_s=self._policy.idempotency_window_s,
            is_sender_alive=self._senders.is_sender_alive(flight.in_flight.account),
        )

    def _make_outcome(self, flight: Flight, result: Result) -> Outcome:
        return Outcome(
            phone=flight.phone,
            id=flight.in_flight.id,
            dispatch_number=flight.in_flight.dispatch_number,
            account=flight.in_flight.account,
            whatsapp_id=self._derive_id(flight),
            result=result,
        )

    async def _publish(self, items: Iterable[tuple[Flight, Event]]) -> None:
        records: list[OutgoingRecord] = []
        for flight, event in items:
            flight.reported_mono_s = self._flights.now().mono_s
            records.append(
                OutgoingRecord(
                    topic=self._phone_topic,
                    value=events.encode(event),
                    key=flight.phone.encode(),
                    partition=flight.partition,
                )
            )
        if records:
            await self._publisher.publish(records)

    def _derive_id(self, flight: Flight) -> str:
        in_flight = flight.in_flight
        return derive_whatsapp_id(self._namespace, in_flight.account, flight.phone, in_flight.id)


def _name_result(result: Result) -> str:
    """The label of the metric: what became of the flight."""
    if not isinstance(result, Deferred):
        return {"OutcomeUnknown": "unknown"}.get(
            type(result).__name__, type(result).__name__.lower()
        )
    if result.in_doubt:
        return "in_doubt"
    return "not_claimed" if result.error.is_deadline_exceeded else "deferred"
