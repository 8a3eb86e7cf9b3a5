"""An event of each type about the message `a`, and the results of its dispatch. Tests nothing itself."""

from streams.domain.consent.state import after_request
from streams.domain.errors import Error
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
from streams.testing.phone_world import PHONE

NAMES = {"account": "main", "whatsapp_id": "3EB0"}
RECORD = SourceRecord(topic="wa.outbound", partition=0, offset=0)
EVENTS: dict[type[Event], Event] = {
    RequestReceived: RequestReceived(
        phone=PHONE,
        request=RequestInfo(id="a"),
        source_record=RECORD,
        content=b"{}",
    ),
    CancelRequested: CancelRequested(phone=PHONE, id="a"),
    Outcome: Outcome(phone=PHONE, id="a", dispatch_number=1, result=Sent(at_s=0.0), **NAMES),
    ReceiptSeen: ReceiptSeen(phone=PHONE, id="a", receipt="read", at_s=0.0, **NAMES),
    InboundSeen: InboundSeen(phone=PHONE, text="STOP", **NAMES),
    ConsentRequested: ConsentRequested(
        phone=PHONE, consent="opted_out", request_id="r", source_record=RECORD
    ),
    ConsentMoved: ConsentMoved(
        phone=PHONE,
        consent=after_request("opted_out", "r", 1_000_000.0),
        forwarding=Forwarding(requested_phone=PHONE, path=(), learned_at_s=0.0),
    ),
    OptOutContinued: OptOutContinued(phone=PHONE, before_offset=1_000_000),
    ForgetRequested: ForgetRequested(phone=PHONE, request_id="f", source_record=RECORD),
    ForgetContinued: ForgetContinued(phone=PHONE),
    FlightOverdue: FlightOverdue(phone=PHONE, id="a", dispatch_number=1, whatsapp_id="3EB0"),
    TimerFired: TimerFired(phone=PHONE, timer_version=1),
    ScheduleDue: ScheduleDue(phone=PHONE, id="a"),
    RetentionElapsed: RetentionElapsed(phone=PHONE, ids=("a",)),
}
RESULTS = {
    State.SENT: Sent(at_s=1_000_000.0),
    State.WAITING: Deferred(error=Error("disconnected")),
    State.FAILED: Failed(error=Error("media_rejected")),
    State.UNKNOWN: OutcomeUnknown(at_s=1_000_000.0, error=Error("outcome_unknown")),
}
IN_DOUBT = Deferred(error=Error("attempt_in_doubt"), in_doubt=True)
