"""A release on its way through the sender: what has been found out about it so far. Decides nothing."""

from dataclasses import dataclass, field
from typing import Protocol

from streams.domain.sending.claim import Claim, Reconcile, OpenClaim
from streams.domain.sending.command import SendCommand


class Record(Protocol):
    """A record of the lane: Faust's event, as far as we care."""

    @property
    def value(self) -> bytes | None:
        """What was written."""
        ...

    def ack(self) -> object:
        """It has been answered, and need not be read again."""
        ...


@dataclass(slots=True, eq=False)
class Job:
    """One release."""

    record: Record
    send: SendCommand
    whatsapp_id: str
    step: OpenClaim | Reconcile = field(default_factory=OpenClaim)
    chat_id: str | None = None
    looked_up: str | None = None  # the chat id that WhatsApp answered now
    judged: bool = False  # or being judged
    before: Claim | None = None  # the row as it was found
    claimed: bool = False  # a claim of ours may be in the table
    in_page: bool = False  # the page was given it, in this process
    submits: int = 0
    finished: bool = False  # there is a result, which may be known to the world

    @property
    def untouched(self) -> bool:
        """Claimed, surely never given to the page, and not answered: the claim can be taken back."""
        begun = self.in_page or self.finished
        return self.claimed and not begun and isinstance(self.step, OpenClaim)
