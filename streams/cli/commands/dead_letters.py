"""`dlq`: list the dead letters, show one, replay them, purge them."""

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from streams.cli import output
from streams.cli.options import all_option, dry_run_option, filter_options
from streams.cli.time_param import TimeParam
from streams.contract.dead_letter import DeadLetter
from streams.local import run_dir
from streams.operations import dead_letters as operations
from streams.operations.errors import CommandFailed
from streams.operations.replaying import ReplayResult
from streams.operations.selection import DeadLetterFilter, select
from streams.settings import load

_COLUMNS = ("last_failed_at", "id", "request_id", "reason", "outcome", "attempts", "message")


@click.group()
def dlq() -> None:
    """Dead letters: list, show, replay, purge."""


@dlq.command("list")
@filter_options
@click.option("--replayed", is_flag=True, help="include those whose replay failed again")
@output.json_option
def list_(replayed: bool, as_json: bool, **filters: Any) -> None:
    """List dead letters, oldest first."""
    settings = run_dir.resolve_kafka(load())
    letters = asyncio.run(operations.read_letters(settings))
    selected = select(letters, DeadLetterFilter(**filters), include_replayed=replayed)
    output.print_rows([_to_row(letter) for letter in selected], _COLUMNS, as_json=as_json)


@dlq.command()
@click.argument("id")
@output.json_option
def show(id: str, as_json: bool) -> None:
    """Show the dead letter with this ID, or all of the request ID, with the original record."""
    settings = run_dir.resolve_kafka(load())
    letters = asyncio.run(operations.read_letters(settings))
    selected = select(letters, DeadLetterFilter(ids=(id,)), include_replayed=True)
    if not selected:
        raise CommandFailed(f"there is no dead letter {id}: `wa-streams dlq list` lists them")
    for letter in selected:
        fields = _to_row(letter) | _original_record(letter)
        if as_json:
            output.print_json(fields)
        else:
            _print_letter(fields)


@dlq.command()
@filter_options
@all_option
@dry_run_option
@click.option(
    "--rate",
    type=click.FloatRange(min=0.01),
    default=20.0,
    show_default=True,
    help="at most this many a second",
)
@click.option("--force", is_flag=True, help="include those that may have been sent already")
@output.json_option
def replay(
    everything: bool, dry_run: bool, rate: float, force: bool, as_json: bool, **filters: Any
) -> None:
    """Request the messages of dead letters again, under the same request ids."""
    letter_filter = DeadLetterFilter(**filters)
    if letter_filter.is_empty != everything:
        raise click.UsageError("Select some (--id, --reason, --class, …), or give --all.")
    settings = run_dir.resolve_kafka(load())
    plan = asyncio.run(operations.plan_replay(settings, letter_filter, allow_unknown=force))
    results = (
        [ReplayResult(letter) for letter in plan.accepted]
        if dry_run
        else asyncio.run(operations.republish(settings, plan.accepted, rate, is_forced=force))
    )
    _print_replay(results, plan.refused, is_dry_run=dry_run, as_json=as_json)
    if impossible := [result for result in results if result.refusal]:
        first = impossible[0]
        raise CommandFailed(
            f"{len(impossible)} cannot be replayed; {first.letter.info.id}: {first.refusal}"
        )
    if plan.refused:
        raise CommandFailed(
            f"{len(plan.refused)} refused, because they may have been sent already: "
            "check on the phone, then replay with --force"
        )
    if not plan.accepted:
        raise CommandFailed("no dead letter is selected: `wa-streams dlq list` lists them")


def _print_replay(
    results: Sequence[ReplayResult],
    refused: Sequence[DeadLetter],
    *,
    is_dry_run: bool,
    as_json: bool,
) -> None:
    done = "would be replayed" if is_dry_run else "replayed"
    rows = [
        _to_row(result.letter)
        | ({"result": "refused", "message": result.refusal} if result.refusal else {"result": done})
        for result in results
    ]
    rows += [_to_row(letter) | {"result": "refused"} for letter in refused]
    output.print_rows(rows, ("result", "id", "request_id", "reason", "message"), as_json=as_json)


@dlq.command()
@click.option(
    "--before", "before_s", type=TimeParam(), help="written before this time: 90d (ago), or a time"
)
@all_option
@dry_run_option
@output.json_option
def purge(before_s: float | None, everything: bool, dry_run: bool, as_json: bool) -> None:
    """Delete dead letters from the log, from the oldest up to a time."""
    if (before_s is None) != everything:
        raise click.UsageError("Give --before with a time, or --all.")
    settings = run_dir.resolve_kafka(load())
    count = asyncio.run(operations.purge(settings, before_s, is_dry_run=dry_run))
    if as_json:
        output.print_json({"records": count, "deleted": not dry_run})
    else:
        output.print_data(f"{count} records {'would be' if dry_run else 'were'} deleted")


def _to_row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.info.id,
        "request_id": letter.info.request_id,
        "reason": letter.info.reason,
        "class": letter.info.error_class,
        "message": letter.info.message,
        "outcome": letter.info.outcome,
        "account": letter.info.account,
        "attempts": letter.info.attempts,
        "replay_count": letter.info.replay_count,
        "first_failed_at": letter.info.first_failed_at,
        "last_failed_at": letter.info.last_failed_at,
    }


def _original_record(letter: DeadLetter) -> dict[str, Any]:
    return {
        "original_timestamp": letter.info.timestamp,
        "key": _to_readable(letter.key),
        "value": _to_readable(letter.value),
        "headers": [[name, _to_readable(value)] for name, value in letter.headers],
    }


def _to_readable(value: bytes | None) -> str | dict[str, str] | None:
    """UTF-8 as text, other bytes as `{"base64": …}`."""
    if value is None:
        return None
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _print_letter(fields: dict[str, Any]) -> None:
    width = max(map(len, fields))
    for name, value in fields.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        output.print_data(f"{name:<{width}}  {text}")
    output.print_data("")
