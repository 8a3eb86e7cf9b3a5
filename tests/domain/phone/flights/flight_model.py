"""Two senders, a resolver and a crash in every order: no message is submitted by two accounts.

The model is small: one message, the account `a` that has it, one crash of the dispatcher, and the account `b`, which
submits whatever is dispatched to it at once. What decides is the code of the product:
`step`, and how a sender and the resolver read a claim. A time unit is the timeout of a dispatch.
"""

from copy import copy
from dataclasses import dataclass
from typing import Final

from streams.domain.accounts.routing import Capacity
from streams.domain.phone.effects import Dispatch
from streams.domain.phone.events import Deferred, Event, FlightOverdue, Outcome, Result, Sent
from streams.domain.phone.state import InFlight
from streams.domain.policy import Policy
from streams.domain.sending.claim import Claim
from streams.domain.sending.command import SendCommand
from streams.domain.sending.resolved import NOTHING_RESOLVED, Resolved
from streams.testing.phone_world import PHONE, PhoneWorld

TIMEOUT_S: Final = 30.0
LAST_TIME_S: Final = 3 * TIMEOUT_S
STEP_S: Final = 6 * TIMEOUT_S  # behind every command; the clock does not come back to them
SMALL_STEP_S: Final = 2 * TIMEOUT_S  # to a time between a command and its deadline
READY = {name: Capacity(is_ready=True, free_slots=1) for name in ("a", "b")}
SENT = Sent(at_s=1.0)
POLICY = Policy(dispatch_timeout_s=TIMEOUT_S, unknown_after_s=1000.0)


@dataclass(frozen=True)
class Sender:
    """What a sender is doing. A sender that stops here forever is one that died."""

    taken: int = 0  # commands of its topic
    command: SendCommand | None = None
    is_claimed: bool = False  # by this process
    is_valid: bool = False  # the claim permits a submit
    is_in_doubt: bool = False  # the claim was open before
    is_submitted: bool = False


@dataclass
class Model:
    """Everything that is durable or on its way, and what the dispatcher has in memory."""

    world: PhoneWorld
    now_s: float = 0.0
    log: tuple[Event, ...] = ()  # of the phone, not applied yet
    unpublished: tuple[Dispatch, ...] = ()  # the row is durable, its effects are not
    published_by_s: float | None = None
    read: tuple[int, Result] | None = None  # the resolver's answer, on its way
    crashes: int = 1
    steps: int = 0  # how often the broker's clock may still be set back
    step_s: float = STEP_S
    last_time_s: float = LAST_TIME_S
    is_strict: bool = True  # the sender refuses a claim from before its command
    is_ordered: bool = True  # the sender refuses a claim behind a barrier
    is_careful: bool = True  # the resolver waits for the mark, and for the last deadline
    is_early: bool = False  # the resolver does not wait for any deadline: the sender is lost
    has_offset: bool = True  # a barrier holds the end of the send topic
    reads: int = 2  # of the resolver, which repeats an answer without an effect
    sender: Sender = Sender()
    commands: tuple[SendCommand, ...] = ()
    claim: Claim | None = None
    has_barrier: bool = False  # behind the sender's last own record
    barrier_before: int = 0  # the offset in the latest barrier
    latest_s: float = 0.0  # of all append times in the changelog
    resolved: Resolved = NOTHING_RESOLVED
    other_writes: int = 0  # of the sender, about something else
    restarts: int = 0  # of the sender
    submitted_by: frozenset[str] = frozenset()

    def clone(self) -> "Model":
        """A copy that can go another way. Rows and records are values."""
        other = copy(self)
        other.world = copy(self.world)
        other.world.messages = dict(self.world.messages)
        other.world.slots = dict(self.world.slots)
        other.world.payloads = set(self.world.payloads)
        other.world.effects, other.world.changes = [], []
        return other

    def key(self) -> object:
        """Two models with this key go on in the same way."""
        message, in_flight, row = self.world.messages["m"], self.in_flight, self.world.row
        assert row is not None
        return (
            (message.state, message.pinned_to, message.dispatches, message.early_receipt),
            None if in_flight is None else (get_number(in_flight), in_flight.overdue_since_s > 0),
            any(isinstance(effect, Dispatch) for effect in row.journal.effects),
            tuple(map(_describe, self.log)),
            (len(self.unpublished), self.published_by_s, str(self.read), self.reads, self.crashes),
            (self.now_s, self.steps),
            _describe_sender(self.sender),
            tuple(map(_describe_command, self.commands)),
            _describe_claim(self.claim),
            (self.has_barrier, self.resolved, self.other_writes, self.restarts),
            self.barrier_before if self.restarts else 0,
            self.latest_s if self.restarts else 0.0,
            self.submitted_by,
        )

    @property
    def in_flight(self) -> InFlight | None:
        """The dispatch in flight."""
        assert self.world.row is not None
        return self.world.row.in_flight


def _describe(event: Event) -> object:
    result = event.result if isinstance(event, Outcome) else None
    in_doubt = isinstance(result, Deferred) and result.in_doubt
    number = event.dispatch_number if isinstance(event, Outcome | FlightOverdue) else 0
    return type(event), number, type(result), in_doubt


def _describe_sender(sender: Sender) -> object:
    progress = sender.is_claimed, sender.is_valid, sender.is_in_doubt, sender.is_submitted
    return sender.taken, _describe_command(sender.command), progress


def _describe_command(command: SendCommand | None) -> object:
    return command and (command.dispatch_number, command.appended_at_s)


def _describe_claim(claim: Claim | None) -> object:
    return claim and (claim.dispatch_number, type(claim.result))


def make_outcome(number: int, account: str, result: Result) -> Outcome:
    """What is published for this dispatch."""
    return Outcome(
        phone=PHONE,
        id="m",
        dispatch_number=number,
        account=account,
        whatsapp_id="x",
        result=result,
    )


def get_number(in_flight: InFlight) -> int:
    """Of its dispatch."""
    return in_flight.dispatch_number
