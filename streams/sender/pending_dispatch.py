"""A release on its way through the sender: what has been found out about it so far. Decides nothing."""

from dataclasses import dataclass, field
from typing import Protocol

from streams.domain.sending.claim import Claim, OpenClaim, Reconcile
from streams.domain.sending.command import SendCommand


class SendRecord(Protocol):
    """A record of the lane: Faust's event, as far as we care."""

    @property
    def value(self) -> bytes | None:
        """What was written."""
        ...

    def ack(self) -> object:
        """It has been answered, and need not be read again."""
        ...


@dataclass(slots=True, eq=False)
class PendingDispatch:
    """One release."""

    record: SendRecord
    command: SendCommand
    whatsapp_id: str
    decision: OpenClaim | Reconcile = field(default_factory=OpenClaim)
    chat_id: str | None = None
    resolved_chat_id: str | None = None  # the chat id that WhatsApp answered now
    is_decision_started: bool = False  # or being judged
    previous_claim: Claim | None = None  # the row as it was found
    is_claimed: bool = False  # a claim of ours may be in the table
    is_handed_over: bool = False  # the page was given it, in this process
    submit_count: int = 0
    is_finished: bool = False  # there is a result, which may be known to the world

    @property
    def is_claim_revocable(self) -> bool:
        """Claimed, surely never given to the page, and not answered: the claim can be taken back."""
        is_begun = self.is_handed_over or self.is_finished
        return self.is_claimed and not is_begun and isinstance(self.decision, OpenClaim)
