"""Two senders, a resolver and a crash in every order: no message is submitted by two accounts.

The model is small: one message, the account `a` that has it, one crash of the dispatcher, and the account `b`, which
submits whatever is dispatched to it at once. What decides is the code of the product:
`step`, and how a sender and the resolver read a claim. A time unit is the timeout of a dispatch.
"""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from typing import Final

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch
from streams.domain.phone.events import Deferred, Event, FlightOverdue, Outcome, Result, Sent
from streams.domain.phone.state import InFlight
from streams.domain.policy import Policy
from streams.domain.sending import claim as claims
from streams.domain.sending.claim import Claim, Conclude, OpenClaim
from streams.domain.sending.command import SendCommand
from streams.domain.sending.unanswered import result_of_unanswered
from streams.testing.phone_world import PHONE, PhoneWorld

TIMEOUT_S: Final = 30.0
LAST_TIME_S: Final = 3 * TIMEOUT_S
STEP_S: Final = 6 * TIMEOUT_S  # behind every command; the clock does not come back to them
READY = {name: Capacity(is_ready=True, free_slots=1) for name in ("a", "b")}
SENT = Sent(at_s=1.0)
POLICY = Policy(dispatch_timeout_s=TIMEOUT_S, unknown_after_s=1000.0)


@dataclass(frozen=True)
class Sender:
    """What a sender is doing. A sender that stops here forever is one that died."""

    taken: int = 0  # commands of its topic
    command: SendCommand | None = None
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
    last_time_s: float = LAST_TIME_S
    is_strict: bool = True  # the sender refuses a claim from before its command
    is_careful: bool = True  # the resolver waits for the mark, and for the last deadline
    reads: int = 2  # of the resolver, which repeats an answer without an effect
    sender: Sender = Sender()
    commands: tuple[SendCommand, ...] = ()
    claim: Claim | None = None
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
            None if in_flight is None else (_number(in_flight), in_flight.overdue_since_s > 0),
            any(isinstance(effect, Dispatch) for effect in row.journal.effects),
            tuple(map(_describe, self.log)),
            (len(self.unpublished), self.published_by_s, str(self.read), self.reads, self.crashes),
            (self.now_s, self.steps),
            _describe_sender(self.sender),
            tuple(map(_describe_command, self.commands)),
            _describe_claim(self.claim),
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
    return sender.taken, _describe_command(sender.command), sender.is_submitted


def _describe_command(command: SendCommand | None) -> object:
    return command and (command.dispatch_number, command.appended_at_s)


def _describe_claim(claim: Claim | None) -> object:
    return claim and (claim.dispatch_number, type(claim.result))


# -- what may happen next: each function gives the models in which it has happened


def pass_time(model: Model) -> Iterator[Model]:
    """The broker's clock goes on."""
    if model.now_s < model.last_time_s:
        model.now_s += TIMEOUT_S
        yield model


def set_back(model: Model) -> Iterator[Model]:
    """The broker's clock is set back."""
    if model.steps:
        model.steps -= 1
        model.now_s, model.last_time_s = model.now_s - STEP_S, model.last_time_s - STEP_S
        yield model


def apply_event(model: Model) -> Iterator[Model]:
    """The dispatcher makes the next row durable."""
    if not model.log or model.unpublished:
        return
    event, *rest = model.log
    model.log = tuple(rest)
    model.world.now_s = 1_000_000.0 + model.now_s
    before = model.in_flight
    effects = model.world.apply(event)
    if model.in_flight is None or before is None or _number(before) != _number(model.in_flight):
        model.published_by_s = None
    model.unpublished = tuple(effect for effect in effects if isinstance(effect, Dispatch))
    if not model.unpublished and model.in_flight is not None and model.published_by_s is None:
        model.published_by_s = model.now_s  # an event behind the one that caused the dispatch
    yield model


def publish(model: Model) -> Iterator[Model]:
    """The dispatcher publishes what its last event caused."""
    if not model.unpublished:
        return
    for effect in model.unpublished:
        command = SendCommand(
            phone=PHONE,
            id="m",
            dispatch_number=effect.dispatch_number,
            account=effect.account,
            timeout_s=effect.timeout_s,
            content=b"{}",
            appended_at_s=model.now_s,
        )
        if effect.account == "a":
            model.commands += (command,)
        else:
            model.submitted_by |= {effect.account}
    model.unpublished, model.published_by_s = (), model.now_s
    yield model


def crash(model: Model) -> Iterator[Model]:
    """Another process publishes again what the last event caused; the old one may still publish what it has read."""
    if not model.crashes or model.world.row is None:
        return
    model.crashes -= 1
    effects = model.world.row.journal.effects
    model.unpublished = tuple(effect for effect in effects if isinstance(effect, Dispatch))
    is_marked = model.in_flight is not None and model.in_flight.overdue_since_s > 0
    model.published_by_s = model.now_s if is_marked else None
    yield model


def mark(model: Model) -> Iterator[Model]:
    """The resolver reports the flight as overdue."""
    in_flight = model.in_flight
    if in_flight is None or in_flight.overdue_since_s or model.log or model.now_s < TIMEOUT_S:
        return
    model.log += (
        FlightOverdue(
            phone=PHONE, id="m", dispatch_number=in_flight.dispatch_number, whatsapp_id="x"
        ),
    )
    yield model


def read_claims(model: Model) -> Iterator[Model]:
    """The resolver reads the claims up to a barrier, once no claim can be in time."""
    in_flight = model.in_flight
    if in_flight is None:
        return
    closes_at_s = TIMEOUT_S
    if model.is_careful:
        if not in_flight.overdue_since_s or model.published_by_s is None:
            return
        closes_at_s = model.published_by_s + TIMEOUT_S
    if model.read is not None or not model.reads or model.now_s < closes_at_s:
        return
    result = result_of_unanswered(
        in_flight,
        model.claim if in_flight.account == "a" else None,
        now_s=model.now_s,
        closes_at_s=closes_at_s,
        idempotency_window_s=1e9,
        is_sender_alive=False,
    )
    model.read, model.reads = (in_flight.dispatch_number, result), model.reads - 1
    yield model


def answer_unanswered(model: Model) -> Iterator[Model]:
    """The resolver publishes what it has read."""
    if model.read is None or model.in_flight is None:
        return
    model.log += (_outcome(model.read[0], model.in_flight.account, model.read[1]),)
    model.read = None
    yield model


def work(model: Model) -> Iterator[Model]:
    """The sender of `a` goes on by one step: takes a command and claims it, submits it, answers."""
    sender = model.sender
    if sender.command is not None:
        yield _conclude(model, SENT) if sender.is_submitted else _decide(model, sender.command)
    elif sender.taken < len(model.commands):
        command = model.commands[sender.taken]
        model.sender = Sender(sender.taken + 1, command)
        yield _decide(model, command)


def _decide(model: Model, command: SendCommand) -> Model:
    match claims.decide(command, model.claim, model.now_s):
        case Conclude(result):
            return _conclude(model, result)
        case OpenClaim() if model.is_strict and not claims.is_in_time(command, model.now_s):
            return _conclude(model, claims.not_sent_result(Error("deadline_exceeded")))
        case OpenClaim():
            model.claim = claims.new_claim(
                command, model.claim, chat_id="c", link=None, now_s=model.now_s
            )
            return model
        case _:  # the claim is open: its own, or of an earlier dispatch, which has the same id
            model.submitted_by |= {"a"}
            model.sender = replace(model.sender, is_submitted=True)
            return model


def _conclude(model: Model, result: Result) -> Model:
    command = model.sender.command
    assert command is not None
    row = claims.concluded_claim(command, model.claim, result, model.now_s)
    model.claim = row or model.claim
    model.log += (_outcome(command.dispatch_number, "a", result),)
    model.sender = Sender(model.sender.taken)
    return model


def _outcome(number: int, account: str, result: Result) -> Outcome:
    return Outcome(
        phone=PHONE,
        id="m",
        dispatch_number=number,
        account=account,
        whatsapp_id="x",
        result=result,
    )


def _number(in_flight: InFlight) -> int:
    return in_flight.dispatch_number


def move_on(model: Model) -> Iterator[Model]:
    """Every model that can follow."""
    steps = (
        pass_time,
        set_back,
        apply_event,
        publish,
        crash,
        mark,
        read_claims,
        answer_unanswered,
        work,
    )
    for happen in steps:
        yield from happen(model.clone())
