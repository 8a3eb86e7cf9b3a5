"""What may happen next in the model of the flights: the clock, the dispatcher, the resolver. Decides nothing itself."""

from collections.abc import Iterator

from streams.domain.phone.effects import Dispatch
from streams.domain.phone.events import FlightOverdue
from streams.domain.sending.unanswered import result_of_unanswered
from streams.testing.phone_world import PHONE, make_command
from tests.domain.phone.flights.flight_model import TIMEOUT_S, Model, get_number, make_outcome
from tests.domain.phone.flights.sender_steps import restart, work, write_other

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
        model.now_s, model.last_time_s = (
            model.now_s - model.step_s,
            model.last_time_s - model.step_s,
        )
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
    if (
        model.in_flight is None
        or before is None
        or get_number(before) != get_number(model.in_flight)
    ):
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
        offset = len(model.commands)
        command = make_command(effect, appended_at_s=model.now_s, offset=offset)
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
    if in_flight is None or in_flight.overdue_since_s or model.log:
        return
    if model.now_s < TIMEOUT_S and not model.is_early:
        return
    model.log += (
        FlightOverdue(
            phone=PHONE, id="m", dispatch_number=in_flight.dispatch_number, whatsapp_id="x"
        ),
    )
    yield model


def read_claims(model: Model) -> Iterator[Model]:
    """The resolver reads the claims up to a barrier, once no claim can be in time, or the sender is lost."""
    in_flight = model.in_flight
    if in_flight is None:
        return
    closes_at_s = TIMEOUT_S
    if model.is_careful:
        if not in_flight.overdue_since_s or model.published_by_s is None:
            return
        closes_at_s = model.published_by_s + TIMEOUT_S
    if model.is_early:
        closes_at_s = 0.0
    if model.read is not None or not model.reads or model.now_s < closes_at_s:
        return
    model.has_barrier, model.latest_s = True, max(model.latest_s, model.now_s)
    model.barrier_before = len(model.commands) if model.has_offset else 0
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
    model.log += (make_outcome(model.read[0], model.in_flight.account, model.read[1]),)
    model.read = None
    yield model


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
        write_other,
        restart,
    )
    for happen in steps:
        yield from happen(model.clone())
