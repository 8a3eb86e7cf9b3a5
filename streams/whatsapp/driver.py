"""What the program knows of a browser on WhatsApp: values, and one Protocol.

No Kafka, no Playwright and no wa-js may appear here. A send has four endings and no exception:
a caller that fears a second message on the recipient's phone must be able to tell them apart.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, Protocol, TypeAlias


class Phase(StrEnum):
    """Where a session with WhatsApp stands; the words of the account record."""

    STARTING = "starting"
    LINKING = "linking"  # shows a QR code or a pairing code
    SYNCING = "syncing"
    READY = "ready"  # the only phase in which a message is submitted
    RECONNECTING = "reconnecting"
    RESTRICTED = "restricted"
    LOGGED_OUT = "logged_out"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class SessionState:
    """The state of the session at one moment.

    `link` names this linking of this profile: it is another one whenever the profile was lost or
    linked anew, so "not in the store" proves nothing about a message of another link. `degraded`
    names what WhatsApp's page no longer offers. `since_s` is the epoch time of the phase's start.
    """

    phase: Phase
    phone: str | None = None
    qr: str | None = None
    pairing_code: str | None = None
    reason: str | None = None
    link: str | None = None
    degraded: tuple[str, ...] = ()
    since_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Submission:
    """One message to be given to WhatsApp, with an id chosen before.

    `content` is the content of the request as JSON. After `submit_before_s` (epoch) nothing may
    leave the page any more; the ack is awaited for `ack_within_s` seconds from the submit.
    """

    whatsapp_id: str
    chat_id: str
    content: Mapping[str, object]
    submit_before_s: float
    reply_to: str | None
    ack_timeout_s: float


@dataclass(frozen=True, slots=True)
class ServerAccepted:
    """WhatsApp's server has it. `at_s`: our time when the ack was seen, never before its arrival."""

    at_s: float


@dataclass(frozen=True, slots=True)
class NotSubmitted:
    """Surely nothing left the page, and nothing will."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class ServerRefused:
    """WhatsApp's server answered with an error."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """It may or may not have left: look for the id (`find`) before anything else is done."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class OnWhatsApp:
    """The number exists; `chat_id` is what WhatsApp calls it, often not the number that was asked."""

    chat_id: str


@dataclass(frozen=True, slots=True)
class NotOnWhatsApp:
    """WhatsApp's server said so while the session was connected."""


@dataclass(frozen=True, slots=True)
class LookupFailed:
    """No answer can be given; never to be taken for "no"."""

    detail: str


@dataclass(frozen=True, slots=True)
class MessageFound:
    """The id is in the page's store: 0 pending, 1 server, 2 device, 3 read, 4 played, < 0 failed."""

    ack: int


@dataclass(frozen=True, slots=True)
class MessageNotFound:
    """The id is not in the store of this link."""


ReceiptKind = Literal["delivered", "read", "played"]
RECEIPT_KINDS_BY_ACK: Final[Mapping[int, ReceiptKind]] = {2: "delivered", 3: "read", 4: "played"}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message of ours. May come more than once, and not in order."""

    whatsapp_id: str
    kind: ReceiptKind
    at_s: float


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """A message to us. `from_` is E.164, or a chat id where WhatsApp hides the number."""

    from_: str
    whatsapp_id: str
    type: str
    body: str
    at_s: float


SubmitResult: TypeAlias = ServerAccepted | NotSubmitted | ServerRefused | InDoubt
LookUpResult: TypeAlias = OnWhatsApp | NotOnWhatsApp | LookupFailed
FindResult: TypeAlias = MessageFound | MessageNotFound | LookupFailed


class Driver(Protocol):
    """One account's session. Only `start`, `request_pairing_code` and `logout` raise (`errors.py`)."""

    async def start(self) -> None:
        """Take the profile and begin; `changes` tells the rest. One start at a time."""
        ...

    async def stop(self) -> None:
        """End the browser and everything that belongs to it; safe to call twice."""
        ...

    @property
    def session(self) -> SessionState:
        """The state now."""
        ...

    def watch_session(self) -> AsyncIterator[SessionState]:
        """The state now, then each new one, until `stop`."""
        ...

    async def look_up(self, phone: str) -> LookUpResult:
        """Ask WhatsApp's server for an E.164 number."""
        ...

    async def find_message(self, whatsapp_id: str, chat_id: str) -> FindResult:
        """Look for a message of ours in the page's store, under the phone's and the LID's chat."""
        ...

    async def submit(self, submission: Submission) -> SubmitResult:
        """Give a message to WhatsApp and wait for the server's ack.

        A message whose id is in the page already is not sent again: one that the server has is
        `Acked`, one that waits in WhatsApp's outbox is awaited, one that failed is submitted anew
        under its id.
        """
        ...

    def watch_incoming(self) -> AsyncIterator[Receipt | IncomingMessage]:
        """What recipients' phones say, for one reader, until `stop`."""
        ...

    async def read_acks(self, ids: Sequence[tuple[str, str]]) -> dict[str, int]:
        """Acks of `(whatsapp_id, chat_id)` pairs; an id that is not in the store is left out.

        Empty too when the page cannot tell. Events are lost while a page is replaced: ask again
        whenever the session became `ready`.
        """
        ...

    async def request_pairing_code(self, phone: str) -> str:
        """Begin linking by pairing code instead of by QR; returns the code for the phone."""
        ...

    async def logout(self) -> None:
        """Unlink this device; the profile then shows a new QR code."""
        ...

    async def collect_garbage(self) -> bool:
        """Have the page free memory; True when that was not enough, and it is being loaded anew.

        Worth it every few hundred sends. Nothing may be given to the page meanwhile; the session is not
        `ready` any more when this returns True, and is so again once the new page is.
        """
        ...
