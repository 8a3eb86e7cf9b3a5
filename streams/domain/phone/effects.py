"""What follows from an event: a status, a dispatch to a sender, a dead letter.

Effects are stored in the phone's row, beside the offset of the event that caused them. They are
published once the row is durable, and published again after a crash. They name messages by id; what
is in a message's row or payload is not repeated here. The words are those of the contract
(tests/domain/test_contract_words.py).
"""

from typing import Literal, TypeAlias, TypedDict

from streams.domain.consent.state import Consent
from streams.domain.errors import Error
from streams.domain.forgetting import ForgetReport
from streams.domain.phone.events import (
    CancelRequested,
    ConsentMoved,
    ConsentRequested,
    Forwarding,
    InboundSeen,
    OptOutContinued,
    RequestInfo,
)
from streams.domain.phone.values.forgetting import ForgetContinued, ForgetRequested
from streams.domain.stored import Stored

Status: TypeAlias = Literal[
    "accepted",
    "queued",
    "sent",
    "delivered",
    "read",
    "played",
    "failed",
    "rejected",
    "expired",
    "cancelled",
    "unknown",
]
QueuedReason: TypeAlias = Literal[
    "rate_limited",
    "scheduled",
    "quiet_hours",
    "retry",
    "no_account",
    "account_busy",
    "attempt_in_doubt",
]
DeadLetterOutcome: TypeAlias = Literal["not_sent", "unknown"]


class PublishStatus(Stored, frozen=True, tag="publish_status"):
    """A status event. Its `event_id` is `<recipient>/<id>/<status>/<event_id_suffix>`: the name of a fact."""

    id: str
    status: Status
    event_id_suffix: str
    at_s: float
    attempt: int = 0
    account: str | None = None
    whatsapp_id: str | None = None
    reason: QueuedReason | None = None
    due_at_s: float = 0.0
    queue_position: int | None = None
    error: Error | None = None


class StatusDetails(TypedDict, total=False):
    """The fields of `PublishStatus` that only some statuses have."""

    attempt: int
    account: str | None
    whatsapp_id: str | None
    reason: QueuedReason | None
    due_at_s: float
    queue_position: int | None
    error: Error | None


class Dispatch(Stored, frozen=True, tag="dispatch"):
    """The account may submit this message within `timeout_s` of the append of its command, and never later."""

    id: str
    account: str
    dispatch_number: int
    timeout_s: float
    submit_before_s: float = 0.0  # nor at or after this time: its expiry, or quiet hours; 0: none
    chat_id: str | None = None
    allow_duplicate: bool = False  # a person allowed it although an earlier outcome is unknown
    generation: int = 0  # of the message: each permission belongs to one
    changed_whatsapp_id: str | None = None  # of the message that it edits or revokes
    was_claimed: bool = False  # by this account, so it may have been sent
    accepted_offset: int = -1  # of the message


class PublishDeadLetter(Stored, frozen=True, tag="publish_dead_letter"):
    """The message's original record goes to `wa.dlq`."""

    id: str
    dead_letter_id: str
    error: Error
    attempts: int
    first_failed_at_s: float
    last_failed_at_s: float
    outcome: DeadLetterOutcome = "not_sent"
    replay_count: int = 0


class ForwardRequest(Stored, frozen=True, tag="forward_request"):
    """The request goes on, through the log, to the number that WhatsApp has for its chat."""

    phone: str
    request: RequestInfo
    forwarding: Forwarding
    is_stored: bool = False  # its content is in the payload of this message, else in the event

    @property
    def id(self) -> str:
        """The id of the request."""
        return self.request.id


class ForwardCancel(Stored, frozen=True, tag="forward_cancel"):
    """The cancel goes on through the log: to WhatsApp's number of the chat, or to what is left here."""

    event: CancelRequested

    @property
    def id(self) -> str:
        """The id under which the cancel is answered."""
        return self.event.cancel_id


class ForwardEvent(Stored, frozen=True, tag="forward_event"):
    """This event goes on through the log, to the phone that it names."""

    event: (
        InboundSeen
        | ConsentRequested
        | ConsentMoved
        | OptOutContinued
        | ForgetRequested
        | ForgetContinued
    )


class PublishConsent(Stored, frozen=True, tag="publish_consent"):
    """What was decided for this phone; None: it is decided for another number of its chat."""

    consent: Consent | None
    is_change: bool = False


class RequestReply(Stored, frozen=True, tag="request_reply"):
    """The person who has opted out or in is to get this text. One id, so one message, however often it is requested."""

    id: str
    text: str


class PublishForgetReport(Stored, frozen=True, tag="publish_forget_report"):
    """How far a request to forget this phone is; None: nobody needs its report any more."""

    request_id: str
    report: ForgetReport | None


class InstructForget(Stored, frozen=True, tag="instruct_forget"):
    """The account's sender is to forget this phone too. `chat_id`: WhatsApp's chat of it, if that is known."""

    request_id: str
    account: str
    chat_id: str | None
    before_offset: int = -1  # messages that were accepted before this event are forgotten


Effect: TypeAlias = (
    PublishStatus
    | Dispatch
    | PublishDeadLetter
    | ForwardRequest
    | ForwardCancel
    | ForwardEvent
    | PublishConsent
    | RequestReply
    | PublishForgetReport
    | InstructForget
)
