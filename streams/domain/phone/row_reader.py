"""What a step reads besides the phone's row: the rows of its messages and the slots of its queues.

The phone stage gives the rows of a partition (streams/dispatch/phone_store.py), a test those in memory. Nothing is
written through it: what a step changes is in the journal of the phone's row.
"""

from typing import Protocol

from streams.domain.consent.state import Consent
from streams.domain.phone.state import Message


class RowReader(Protocol):
    """The rows of a partition as a step sees them: it reads and never writes."""

    def get_message(self, phone: str, request_id: str) -> Message | None:
        """The row of this request to this phone.

        None: it was never requested, was rejected, or is forgotten.
        """
        ...

    def get_slot(self, phone: str, queue: str, seq: int) -> str | None:
        """The id of the message in this slot of the queue.

        None: no message ever had this slot, or it has left it.
        """
        ...

    def get_consent(self, phone: str) -> Consent | None:
        """What was decided about marketing messages to this phone; None: nothing."""
        ...

    def get_kept_opt_out(self, key: str) -> Consent | None:
        """The opt-out of a forgotten recipient (values/forgetting.py)."""
        ...

    def list_message_ids(self, phone: str, after: str, max_count: int) -> list[str]:
        """The next ids of the phone's messages after this one, in the order of their bytes."""
        ...

    def get_timed_ids(self, phone: str) -> list[str]:
        """The ids of the phone's messages that are scheduled or expire."""
        ...
