"""`step` on any event, legal or not: it never raises, and its result depends only on its arguments."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.abandonment import abandon
from streams.domain.consent.state import after_request
from streams.domain.errors import CODES, Error
from streams.domain.phone.events import (
    CancelRequested,
    ConsentMoved,
    ConsentRequested,
    Deferred,
    Event,
    Failed,
    FlightOverdue,
    ForgetContinued,
    ForgetRequested,
    Forwarding,
    InboundSeen,
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
from streams.domain.phone.values.queue_rows import PRIORITIES
from streams.domain.policy import Policy
from streams.domain.quiet_hours import parse_quiet_hours
from streams.testing.phone_world import PHONE, PhoneWorld

ids = st.sampled_from([f"m{i}" for i in range(12)])
statuses = st.sampled_from(["opted_out", "opted_in"])
texts = st.sampled_from([None, "Stop.", "start", "hello"])
errors = st.sampled_from(sorted(CODES)).map(Error)


def _events() -> st.SearchStrategy[Event]:
    number = st.integers(0, 3)
    result = st.one_of(
        st.builds(Sent, at_s=st.just(5.0)),
        st.builds(Failed, error=errors),
        st.builds(Deferred, error=errors, in_doubt=st.booleans(), is_unanswered=st.booleans()),
        st.builds(OutcomeUnknown, at_s=st.just(5.0), error=errors),
    )
    record = st.builds(SourceRecord, topic=st.just("t"), partition=number, offset=number)
    phone = st.just(PHONE)
    request = st.builds(
        RequestInfo,
        id=ids,
        priority=st.sampled_from(PRIORITIES),
        category=st.sampled_from(["transactional", "marketing"]),
        expires_at_s=st.sampled_from([0.0, 9e5, 2e6]),
    )
    receipt = st.sampled_from(["sent", "delivered", "read", "played"])
    names = {"account": st.just("main"), "whatsapp_id": st.just("x")}
    return st.one_of(
        st.builds(
            RequestReceived,
            phone=phone,
            request=request,
            source_record=record,
            content=st.just(b"{}"),
            refusal=st.none() | errors,
        ),
        st.builds(
            CancelRequested,
            phone=phone,
            id=st.one_of(st.none(), ids),
            cancel_id=st.just("c"),
            source_record=st.one_of(st.none(), record),
        ),
        st.builds(Outcome, phone=phone, id=ids, dispatch_number=number, result=result, **names),
        st.builds(
            FlightOverdue, phone=phone, id=ids, dispatch_number=number, whatsapp_id=st.just("x")
        ),
        st.builds(ReceiptSeen, phone=phone, id=ids, receipt=receipt, at_s=st.just(6.0), **names),
        st.builds(
            InboundSeen,
            phone=phone,
            account=st.just("main"),
            whatsapp_id=ids,
            text=texts,
        ),
        st.builds(
            ConsentRequested,
            phone=phone,
            consent=statuses,
            request_id=st.just("r"),
            source_record=record,
        ),
        st.builds(
            ConsentMoved,
            phone=phone,
            consent=st.builds(after_request, statuses, st.just("r"), st.just(5.0)),
            forwarding=st.just(Forwarding(requested_phone=PHONE, path=(), learned_at_s=0.0)),
        ),
        st.builds(
            ForgetRequested,
            phone=phone,
            request_id=ids,
            source_record=record,
            keep_opt_out=st.booleans(),
        ),
        st.builds(ForgetContinued, phone=phone),
        st.builds(OptOutContinued, phone=phone, before_offset=number),
        st.builds(TimerFired, phone=phone, timer_version=number),
        st.builds(ScheduleDue, phone=phone, id=ids),
        st.builds(RetentionElapsed, phone=phone, ids=st.tuples(ids)),
    )


# It is quarter to ten in the evening for this recipient: before, in, and shortly before quiet hours.
QUIET_HOURS = [None, "23:00-08:00", "21:00-08:00", "21:47-21:48"]


@given(st.lists(_events(), max_size=40), st.sampled_from(QUIET_HOURS))
@settings(max_examples=200, deadline=None)
def test_step_is_total(events: list[Event], quiet_hours: str | None) -> None:
    """Any event on any row gives a row or nothing; it never raises."""
    hours = parse_quiet_hours(quiet_hours) if quiet_hours else None
    world = PhoneWorld(policy=Policy(rate_limit_per_minute=2, max_queue=4, quiet_hours=hours))
    for event in events:
        world.now_s += 1
        world.apply(event)


@given(st.lists(_events(), max_size=30))
@settings(max_examples=100, deadline=None)
def test_step_is_a_function(events: list[Event]) -> None:
    """The same row and event give the same row: there is no clock and no randomness."""
    once, again = PhoneWorld(), PhoneWorld()
    for event in events:
        assert once.apply(event) == again.apply(event)
        assert once.row == again.row


@given(st.lists(st.tuples(_events(), st.booleans()), max_size=30))
@settings(max_examples=100, deadline=None)
def test_abandoning_an_event_is_total_and_stops_nothing(events: list[tuple[Event, bool]]) -> None:
    """Where `step` fails, the message ends; the counts of the queues stay right, and what waits is woken."""
    world = PhoneWorld(policy=Policy(rate_limit_per_minute=2, max_queue=4))
    for event, is_abandoned in events:
        world.now_s += 1
        if not is_abandoned or world.row is None:
            world.apply(event)
            continue
        world.offset += 1
        row = abandon(
            world.row,
            event,
            offset=world.offset,
            now_s=world.now_s,
            append_s=world.now_s,
            rows=world,
            policy=world.policy,
        )
        if row is not None:
            world._write_rows(row)
            assert row.timer_at_s == world.now_s
            open_states = {State.WAITING, State.SCHEDULED}
            waiting = [m for m in world.messages.values() if m.state in open_states]
            assert row.waiting_count == len(waiting)
