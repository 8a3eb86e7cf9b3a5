"""The port to WhatsApp: one Protocol, `Driver`, and the values that it takes and returns.

Kafka, Playwright and wa-js may not appear here. `submit` has four results and raises nothing: a
caller that must avoid a second message on the recipient's phone has to distinguish them.

What this machine does has the time of the clock that the driver was given (`at_s`, `since_s`, the end of a ban).
What WhatsApp's server says has the time of that server (the ends of time locks and quotas, the times of messages).
Waits are durations, and deadlines are times of the monotonic clock (`…_mono_s`).
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final, Literal, Protocol, TypeAlias

from streams.whatsapp.chats import ChatCalls
from streams.whatsapp.diagnosis import Diagnosis
from streams.whatsapp.groups import GroupList
from streams.whatsapp.incoming import IncomingHint, IncomingStore
from streams.whatsapp.limits import AckCounts, NewChatQuota, TimeLock
from streams.whatsapp.submission import (
    InDoubt as InDoubt,
)  # what `submit` takes and returns is part of the port
from streams.whatsapp.submission import NotBegun as NotBegun
from streams.whatsapp.submission import NotSubmitted as NotSubmitted
from streams.whatsapp.submission import ServerAccepted as ServerAccepted
from streams.whatsapp.submission import ServerRefused as ServerRefused
from streams.whatsapp.submission import Submission as Submission
from streams.whatsapp.submission import SubmitResult as SubmitResult


class AckLevel(IntEnum):
    """WhatsApp's ack levels of a message of ours. A failed message has a negative ack."""

    PENDING = 0  # in the page's store; the server has not acked it
    SERVER = 1
    DELIVERED = 2
    READ = 3
    PLAYED = 4


ReceiptKind: TypeAlias = Literal["sent", "delivered", "read", "played"]
# `sent` is the server's ack; the other levels come from a recipient's phone.
RECEIPT_KINDS_BY_ACK: Final = MappingProxyType[int, ReceiptKind](
    {
        AckLevel.SERVER: "sent",
        AckLevel.DELIVERED: "delivered",
        AckLevel.READ: "read",
        AckLevel.PLAYED: "played",
    }
)


class Phase(StrEnum):
    """The phase of a session with WhatsApp; the same words as in the account record."""

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

    `link` is the id of this linking of this profile. It changes whenever the profile was lost or
    linked again, so "not in the store" proves nothing about a message of another link. `degraded`
    lists what WhatsApp's page no longer offers. `since_s` is the epoch time of the phase's start.

    `until_s` is the epoch time at which the phase is expected to end: the end of a restriction, or the
    page's next attempt to connect. `progress` is the percentage of the offline delivery while the
    session synchronizes. `time_lock` and `new_chat_quota` limit a session that is ready.
    """

    phase: Phase
    phone: str | None = None
    qr: str | None = None
    pairing_code: str | None = None
    reason: str | None = None
    link: str | None = None
    degraded: tuple[str, ...] = ()
    since_s: float = 0.0
    until_s: float | None = None
    progress: int | None = None
    time_lock: TimeLock | None = None
    new_chat_quota: NewChatQuota | None = None


@dataclass(frozen=True, slots=True)
class OnWhatsApp:
    """The number is on WhatsApp. `chat_id` is its chat there, and `phone` the number that WhatsApp has for it.

    That is another number if the chat is found under several ones. None: WhatsApp does not say.
    """

    chat_id: str
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class NotOnWhatsApp:
    """The number is not on WhatsApp: its server answered so while the session was connected."""


@dataclass(frozen=True, slots=True)
class LookupFailed:
    """There is no answer. It must never be taken for "no".

    `is_session_lost`: the page or its connection was lost, so the number is not at fault.
    """

    detail: str
    is_session_lost: bool = False


@dataclass(frozen=True, slots=True)
class MessageFound:
    """The id is in the page's store. `ack` is an `AckLevel`, or negative if the message failed.

    `is_pending`: its ack is 0, and this page sends it again at each reconnect until the server acks it.
    An id with ack 0 that is not pending was left by an earlier page: nothing sends it but a new submit.
    `server_code`: the server has refused it after its submit had given up. It is reported by one look-up alone. 0: an
    earlier page got the refusal, and its code is lost; of all that it left, one look-up of the next page says so.
    """

    ack: int
    is_pending: bool = False
    server_code: int | None = None


@dataclass(frozen=True, slots=True)
class MessageNotFound:
    """The id is not in the store of this link."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message of ours. May come more than once, and out of order.

    `sent` is the server's ack of a message that no `submit` was waiting for any more.
    """

    whatsapp_id: str
    kind: ReceiptKind
    at_s: float


@dataclass(frozen=True, slots=True)
class LateRefusal:
    """The server has refused a message whose submit had given up. A look-up of it reports the code, too."""

    whatsapp_id: str
    server_code: int


Received: TypeAlias = Receipt | LateRefusal | IncomingHint
LookUpResult: TypeAlias = OnWhatsApp | NotOnWhatsApp | LookupFailed
FindResult: TypeAlias = MessageFound | MessageNotFound | LookupFailed


class Driver(ChatCalls, IncomingStore, Protocol):
    """The session of one account. Only `start`, `request_pairing_code` and `logout` raise (errors.py)."""

    async def start(self) -> None:
        """Take the profile and begin; `watch_session` reports the rest. Only one start at a time."""
        ...

    async def stop(self) -> None:
        """End the browser and everything that belongs to it. It is safe to call this twice."""
        ...

    @property
    def session(self) -> SessionState:
        """The current state."""
        ...

    def watch_session(self) -> AsyncIterator[SessionState]:
        """The current state, then each new one, until `stop`."""
        ...

    async def look_up(self, phone: str) -> LookUpResult:
        """Ask WhatsApp's server whether an E.164 number is on WhatsApp."""
        ...

    async def find_message(self, whatsapp_id: str, chat_id: str) -> FindResult:
        """Look for a message of ours in the page's store, in the chats of the phone and of its LID."""
        ...

    async def submit(self, submission: Submission) -> SubmitResult:
        """Hand a message over to WhatsApp and wait for the server's ack.

        A message whose id is already in the store is not submitted anew. If the server has it, the result is
        `ServerAccepted`. If it is pending, `submit` waits for its ack. If it failed, or was left by an earlier page,
        WhatsApp sends the stored message again under its id. `NotBegun` is a result only of one with `after`.
        """
        ...

    def watch_incoming(self) -> AsyncIterator[Received]:
        """Receipts, late refusals, and hints that there are messages to read, for one reader, until `stop`."""
        ...

    async def read_acks(self, ids: Sequence[tuple[str, str]]) -> dict[str, int]:
        """The acks of `(whatsapp_id, chat_id)` pairs. An id that is not in the store is left out.

        The result is also empty when the page cannot answer. Call this again whenever the session became `ready`.
        """
        ...

    async def list_groups(self) -> GroupList | None:
        """The account's groups, from what the page has in memory; None: it cannot answer now."""
        ...

    async def reconnect(self) -> None:
        """Close the connection to WhatsApp, and let the page open it again.

        The page then sends every pending message once more, under its id. Only while the session is `ready`.
        """
        ...

    async def stop_turns(self) -> None:
        """Submit nothing that waits for the message before it: each of these submits ends with `NotBegun`."""
        ...

    @property
    def ack_counts(self) -> AckCounts:
        """The acks seen since the start."""
        ...

    async def request_pairing_code(self, phone: str) -> str:
        """Begin linking by pairing code instead of by QR code. Returns the code to enter in the phone."""
        ...

    async def logout(self) -> None:
        """Unlink this device. The profile then shows a new QR code."""
        ...

    async def diagnose(self) -> Diagnosis:
        """Everything about browser and page that belongs in a bug report. Works in every phase."""
        ...

    async def collect_garbage(self) -> bool:
        """Make the page free memory. True if that was not enough and the page is being reloaded.

        Nothing may be submitted during the call. When it returns True, the session is not `ready` any more; it becomes
        so again with the new page. It pays off every few hundred sends.
        """
        ...
