"""What limits a session and an upload, and the acks that a driver has counted: values of the driver's port.

Nothing may be imported from the project.
"""

from dataclasses import dataclass
from typing import Final

# No upload takes longer: 100 MB at 3 Mbit/s.
MAX_UPLOAD_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class TimeLock:
    """WhatsApp forbids the account to write to people who never wrote to it (the reach-out time lock).

    `until_s` is the epoch time of its end, None if WhatsApp does not say it. `kind` is WhatsApp's word
    for the reason.
    """

    until_s: float | None
    kind: str


@dataclass(frozen=True, slots=True)
class NewChatQuota:
    """How many people who never wrote to the account it may write to until `resets_at_s` (epoch)."""

    total: int
    used: int
    resets_at_s: float | None
    is_used_up: bool


@dataclass(frozen=True, slots=True)
class AckCounts:
    """The acks that this driver has seen since its start, by where it saw them.

    `heard`: WhatsApp's receipt handler reported it. `read`: the message's model had it. If WhatsApp moves
    receipts out of the page's reach, `heard` stands still while `read` grows.
    """

    heard: int = 0
    read: int = 0
