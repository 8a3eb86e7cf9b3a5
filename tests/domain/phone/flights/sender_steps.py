"""What the sender of `a` may do next, in the model of the flights. Each function gives the models that follow."""

from collections.abc import Iterator
from dataclasses import replace

from msgspec.structs import replace as msgspec_replace

from streams.domain.errors import Error
from streams.domain.phone.events import Result
from streams.domain.sending import claim as claims
from streams.domain.sending import results
from streams.domain.sending.claim import Conclude, OpenClaim
from streams.domain.sending.command import SendCommand
from tests.domain.phone.flights.flight_model import SENT, Model, Sender, make_outcome


def work(model: Model) -> Iterator[Model]:
    """The sender of `a` goes on by one step: takes a command and claims it, submits it, answers."""
    sender = model.sender
    if sender.command is not None:
        yield _go_on(model, sender.command)
    elif sender.taken < len(model.commands):
        command = model.commands[sender.taken]
        model.sender = Sender(sender.taken + 1, command)
        yield _decide(model, command)


def _go_on(model: Model, command: SendCommand) -> Model:
    sender = model.sender
    if sender.is_submitted:
        return _conclude(model, SENT)
    if not sender.is_claimed:
        return _decide(model, command)
    if sender.is_valid:
        model.submitted_by |= {"a"}
        model.sender = replace(sender, is_submitted=True)
        return model
    too_late = results.not_sent_result(Error("deadline_exceeded"))
    return _conclude(model, results.in_doubt_result("too late") if sender.is_in_doubt else too_late)


def _decide(model: Model, command: SendCommand) -> Model:
    match claims.decide(command, model.claim, model.now_s):
        case Conclude(result):
            return _conclude(model, result)
        case OpenClaim():
            return _store_claim(model, command, is_in_doubt=False)
        case _:  # the claim is open, of an earlier process or dispatch, which has the same id
            return _store_claim(model, command, is_in_doubt=True)


def _store_claim(model: Model, command: SendCommand, *, is_in_doubt: bool) -> Model:
    model.claim = claims.new_claim(command, model.claim, chat_id="c", link=None, now_s=model.now_s)
    _append(model)
    is_in_time = not model.is_strict or claims.is_in_time(command, model.now_s)
    is_first = not model.is_ordered or not model.resolved.may_include(command)
    model.sender = replace(
        model.sender, is_claimed=True, is_valid=is_in_time and is_first, is_in_doubt=is_in_doubt
    )
    return model


def _append(model: Model) -> None:
    """The sender writes a record of its own, and notices a barrier before it."""
    model.latest_s = max(model.latest_s, model.now_s)
    if model.has_barrier:
        model.has_barrier = False
        model.resolved = msgspec_replace(model.resolved, noticed_before=len(model.commands))


def write_other(model: Model) -> Iterator[Model]:
    """The sender writes a row that is no claim."""
    if model.other_writes and model.has_barrier:
        model.other_writes -= 1
        _append(model)
        yield model


def restart(model: Model) -> Iterator[Model]:
    """The sender is killed, and another process recovers the table: it reads every barrier."""
    if not model.restarts:
        return
    model.restarts -= 1
    sender = model.sender
    model.sender = Sender(sender.taken - (sender.command is not None))
    model.has_barrier = False
    model.resolved = msgspec_replace(
        model.resolved,
        noticed_before=max(model.resolved.noticed_before, model.barrier_before),
        recovered_before=len(model.commands),
        latest_s=model.latest_s,
    )
    yield model


def _conclude(model: Model, result: Result) -> Model:
    command = model.sender.command
    assert command is not None
    row = claims.concluded_claim(command, model.claim, result, model.now_s)
    if row is not None:
        model.claim = row
        _append(model)
    model.log += (make_outcome(command.dispatch_number, "a", result),)
    model.sender = Sender(model.sender.taken)
    return model
