"""What follows from an event: told to the world once the rows are durable, and told again after a crash.

Effects are stored in the phone's row beside the offset of the event that caused them.
"""

from streams.domain.errors import Error
from streams.domain.phone.events import Stored


class PublishStatus(Stored, frozen=True, tag="publish_status"):
    """A status event. `n` makes its `event_id` the name of a fact: `<id>/<status>/<n>`."""

    id: str
    status: str
    event_id_suffix: str
    at_s: float
    attempt: int = 0
    account: str | None = None
    whatsapp_id: str | None = None
    reason: str | None = None
    due_at_s: float = 0.0
    queue_position: int | None = None
    error: Error | None = None


class Dispatch(Stored, frozen=True, tag="dispatch"):
    """The account may submit this message until `deadline_s`, and never later."""

    id: str
    account: str
    dispatch_number: int
    deadline_s: float
    chat_id: str | None = None
    allow_duplicate: bool = False  # a person asked for it although an earlier outcome is unknown


class PublishDeadLetter(Stored, frozen=True, tag="publish_dead_letter"):
    """The message's original record goes to `wa.dlq`."""

    id: str
    dead_letter_id: str
    error: Error
    attempts: int
    first_failed_at_s: float
    last_failed_at_s: float
    outcome: str = "not_sent"  # or `unknown`
    replay_count: int = 0


Effect = PublishStatus | Dispatch | PublishDeadLetter
