"""Logs of some phones for the tests of crash points: events of every type, mostly such as fit. Tests nothing itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import Error
from streams.domain.phone.events import (
    BatchMember,
    CancelRequested,
    ConsentRequested,
    Deferred,
    Event,
    Failed,
    FlightOverdue,
    ForgetContinued,
    ForgetRequested,
    Forwarding,
    InboundSeen,
    MessageChange,
    Moved,
    OptOutContinued,
    Outcome,
    OutcomeUnknown,
    ReceiptSeen,
    RequestInfo,
    RequestReceived,
    RetentionElapsed,
    ScheduleDue,
    Sent,
    SourceRecord,
    TimerFired,
)
from streams.domain.phone.state import State
from streams.domain.policy import Policy
from streams.testing.phone_world import PhoneWorld

ACCOUNTS = ("main", "other")
START_S = 1_000_000.0
GAP_S, PAUSE_S = 30.0, 700.0
PHONES = ("+60123456789", "+60123456790", "+60123456791")
OTHER = "+60111111111"  # the number of the chat, after `Moved`
POLICY = Policy(
    rate_limit_per_minute=3,
    max_queue=4,
    max_retries=1,
    idempotency_window_s=600.0,
    conversation_expiry_s=300.0,
    opt_out_reply="You get no more offers.",
    lookup_cache_s=300.0,
)


@dataclass(frozen=True)
class LogEntry:
    """An event of the log. A pause before it is long: all offsets before it are committed."""

    event: Event
    is_after_pause: bool = False


IDS = ("a", "b", "c", "d", "e")
ids = st.sampled_from(IDS)
account_names = st.sampled_from(ACCOUNTS)
results = st.sampled_from(
    [
        Sent(at_s=START_S + 100),
        Sent(at_s=START_S + 100),
        Failed(error=Error("recipient_not_on_whatsapp")),
        Failed(error=Error("server_error")),
        Deferred(error=Error("deadline_exceeded")),
        Deferred(error=Error("attempt_in_doubt"), in_doubt=True),
        OutcomeUnknown(at_s=START_S + 100, error=Error("outcome_unknown")),
        Moved(phone=OTHER),
    ]
)


class LogWriter:
    """Draws the next event of a phone: mostly one that fits it, as a model run shows it."""

    def __init__(self, draw: st.DrawFn, phone: str) -> None:
        self._draw = draw
        self._phone = phone
        self._model = PhoneWorld(
            phone=phone,
            policy=POLICY,
            accounts={name: Capacity(is_ready=True, free_slots=8) for name in ACCOUNTS},
            now_s=START_S,
        )

    def write(self, place: int, last_s: float) -> LogEntry:
        """The event at this place of the log; the one before it came at `last_s`."""
        is_after_pause = self._draw(st.sampled_from([False] * 5 + [True]))
        is_in_flight = self._model.row is not None and self._model.row.in_flight is not None
        likely = self._outcome if is_in_flight else self._request
        kinds = [likely] * 4 + [self._other] * 3
        kinds += [self._request, self._outcome, self._receipt]
        kinds += [self._replay, self._change, self._forwarded, self._continued]
        if is_in_flight:
            kinds += [self._overdue]
        self._model.now_s = last_s + (PAUSE_S if is_after_pause else GAP_S)
        self._model.offset = place - 1
        event = self._draw(st.sampled_from(kinds))(place)
        self._model.apply(event)
        return LogEntry(event, is_after_pause)

    def _request(self, place: int) -> Event:
        delay_s = self._draw(st.sampled_from([0.0, 0.0, 20.0, 50.0]))
        dead_letters = [m.dead_letter_id for m in self._model.messages.values() if m.dead_letter_id]
        info = RequestInfo(
            id=self._draw(ids),
            send_at_s=self._model.now_s + delay_s if delay_s else 0.0,
            category=self._draw(st.sampled_from(["transactional", "marketing"])),
            account=self._draw(st.sampled_from([None, None, *ACCOUNTS])),
            metadata=b'{"n":1}',
            members=self._draw(
                st.sampled_from([(), (BatchMember(batch_id="b", index=place % 3),)])
            ),
            replay_of=self._draw(st.sampled_from([None, None, *dead_letters])),
        )
        return self._make_request(place, info)

    def _make_request(
        self, place: int, info: RequestInfo, forwarding: Forwarding | None = None
    ) -> Event:
        return RequestReceived(
            phone=self._phone,
            request=info,
            source_record=SourceRecord(
                topic="out", partition=0, offset=place, value=b"v%d" % place
            ),
            content=b'{"body":"%d"}' % place,
            forwarding=forwarding,
        )

    def _replay(self, place: int) -> Event:
        """Of a dead letter, if there is one."""
        dead = [m for m in self._model.messages.values() if m.dead_letter_id and m.id in IDS]
        if not dead:
            return self._request(place)
        message = self._draw(st.sampled_from(dead))
        info = RequestInfo(
            id=message.id,
            replay_of=message.dead_letter_id,
            allow_duplicate=self._draw(st.booleans()),
        )
        return self._make_request(place, info)

    def _change(self, place: int) -> Event:
        """An edit or a revoke of a message, whatever has become of it."""
        kind: Literal["edit", "revoke"] = self._draw(st.sampled_from(["edit", "revoke"]))
        change = MessageChange(kind=kind, changed_id=self._draw(ids))
        return self._make_request(place, RequestInfo(id=f"r{place}", change=change))

    def _forwarded(self, place: int) -> Event:
        """A request that named another number of the chat."""
        forwarding = Forwarding(
            requested_phone=OTHER,
            path=(OTHER,),
            learned_at_s=1.0,
            is_accepted=self._draw(st.booleans()),
            send_times_s=(self._model.now_s - 5,),
        )
        return self._make_request(place, RequestInfo(id=self._draw(ids)), forwarding)

    def _continued(self, place: int) -> Event:
        return OptOutContinued(phone=self._phone, before_offset=place)

    def _overdue(self, _: int) -> Event:
        in_flight = self._model.row and self._model.row.in_flight
        assert in_flight
        return FlightOverdue(
            phone=self._phone,
            id=in_flight.id,
            dispatch_number=in_flight.dispatch_number,
            whatsapp_id="3EB0",
        )

    def _outcome(self, _: int) -> Event:
        in_flight = self._model.row and self._model.row.in_flight
        is_fitting = in_flight is not None and self._draw(
            st.sampled_from([True, True, True, False])
        )
        return Outcome(
            phone=self._phone,
            id=in_flight.id if in_flight and is_fitting else self._draw(ids),
            dispatch_number=in_flight.dispatch_number
            if in_flight and is_fitting
            else self._draw(st.integers(1, 2)),
            account=in_flight.account if in_flight and is_fitting else self._draw(account_names),
            whatsapp_id="3EB0",
            result=self._draw(results),
        )

    def _receipt(self, _: int) -> Event:
        return ReceiptSeen(
            phone=self._phone,
            id=self._draw(ids),
            account=self._draw(account_names),
            whatsapp_id="3EB0",
            receipt=self._draw(st.sampled_from(["sent", "delivered", "read"])),
            at_s=self._model.now_s,
        )

    def _other(self, place: int) -> Event:
        row = self._model.row
        timer_version = row.timer_version if row else 0
        scheduled = [m.id for m in self._model.messages.values() if m.state is State.SCHEDULED]
        record = SourceRecord(topic="out", partition=0, offset=place, value=b"c%d" % place)
        return self._draw(
            st.one_of(
                st.builds(
                    CancelRequested,
                    phone=st.just(self._phone),
                    id=st.one_of(st.none(), ids),
                    cancel_id=st.just(f"c{place}"),
                    source_record=st.sampled_from([None, record, record]),
                ),
                st.builds(
                    InboundSeen,
                    phone=st.just(self._phone),
                    account=account_names,
                    whatsapp_id=ids,
                    text=st.sampled_from([None, "STOP", "start"]),
                ),
                st.builds(
                    ConsentRequested,
                    phone=st.just(self._phone),
                    consent=st.sampled_from(["opted_out", "opted_in"]),
                    request_id=st.just(f"r{place}"),
                    source_record=st.just(record),
                ),
                st.builds(
                    ForgetRequested,
                    phone=st.just(self._phone),
                    request_id=st.just(f"g{place}"),
                    source_record=st.just(record),
                    keep_opt_out=st.booleans(),
                ),
                st.builds(ForgetContinued, phone=st.just(self._phone)),
                st.builds(
                    TimerFired,
                    phone=st.just(self._phone),
                    timer_version=st.sampled_from([timer_version, timer_version, 1]),
                ),
                st.builds(
                    ScheduleDue, phone=st.just(self._phone), id=st.sampled_from(scheduled or ["a"])
                ),
                st.builds(
                    RetentionElapsed,
                    phone=st.just(self._phone),
                    ids=st.sampled_from([tuple(self._model.messages), ("a", "b")]),
                ),
            )
        )


def append_times_s(log: Sequence[LogEntry]) -> list[float]:
    """When the broker appended each event."""
    times_s: list[float] = []
    for entry in log:
        last_s = times_s[-1] if times_s else START_S
        times_s.append(last_s + (PAUSE_S if entry.is_after_pause else GAP_S))
    return times_s


@st.composite
def logs(draw: st.DrawFn) -> list[LogEntry]:
    """The log of one to three phones, with events of every type."""
    phones = PHONES[: draw(st.integers(1, len(PHONES)))]
    writers = [LogWriter(draw, phone) for phone in phones]
    log: list[LogEntry] = []
    for place in range(draw(st.integers(3, 18))):
        last_s = append_times_s(log)[-1] if log else START_S
        log.append(draw(st.sampled_from(writers)).write(place, last_s))
    return log
