"""`dlq`: list the dead letters, show one, replay them, purge them."""

import asyncio
import base64
import sys
from typing import Any

import click
import msgspec

from streams.cli import output
from streams.cli.options import Seconds, all_option, dry_run_option, filter_options, timeout_option
from streams.cli.time_param import TimeParam, TypedTime, format_minute, resolve_time
from streams.client import SENT_STATUSES
from streams.contract.dead_letter import DeadLetter
from streams.local import run_dir
from streams.operations import dead_letters as operations
from streams.operations.dead_letters import Replay
from streams.operations.errors import CommandFailed
from streams.operations.queue import parse_recipient
from streams.operations.replays.results import READ_TIMEOUT_S, read_results
from streams.operations.selection import DeadLetterFilter, read_addressee, select
from streams.settings import Settings, load

_COLUMNS = ("failed", "to", "reason", "class", "outcome")
_DETAILS = ("id", "request_id", "batch_id", "attempts", "account", "afterwards")
_REPLAY_COLUMNS = ("result", "to", "reason", "status", "status_reason")
_REPLAY_DETAILS = ("id", "request_id", "message")


@click.group()
def dlq() -> None:
    """Dead letters: list, show, replay, purge."""


@dlq.command("list")
@filter_options
@click.option("--replayed", is_flag=True, help="include those whose replay failed again")
@output.json_option
def list_(replayed: bool, as_json: bool, **filters: Any) -> None:
    """List dead letters, oldest first, and what became of each: whether it was replayed, and sent."""
    settings = run_dir.resolve_kafka(load())
    letter_filter = _make_filter(settings, filters)
    letters = asyncio.run(operations.read_letters(settings))
    region = settings.default_region
    selected = select(letters, letter_filter, region=region, include_replayed=replayed)
    results = _read_results(settings, letters, selected)
    rows: list[dict[str, Any]] = [
        _to_row(letter, region) | {"afterwards": results.get(letter.info.id)} for letter in selected
    ]
    if not as_json:
        rows = [row | {"failed": format_minute(row["last_failed_at"])} for row in rows]
    output.print_records(rows, _COLUMNS, _DETAILS, as_json=as_json)
    output.print_note(f"{len(rows)} dead letters")


def _read_results(
    settings: Settings, letters: list[DeadLetter], selected: list[DeadLetter]
) -> dict[str, str | None]:
    """What became of each, by its id. None or missing: its statuses have been removed, or are too many to read."""
    results = asyncio.run(read_results(settings, letters, selected))
    if removed := sum(result is None for result in results.values()):
        output.print_note(
            f"what became of {removed} dead letters is not known: their statuses are no longer in the topic. "
            "A replay of one that was replayed before may send its message twice"
        )
    if missing := len({letter.info.id for letter in selected} - results.keys()):
        output.print_note(
            f"what became of {missing} dead letters could not be read within {READ_TIMEOUT_S:g} s: "
            "select newer ones, for example with --since"
        )
    return results


def _make_filter(settings: Settings, filters: dict[str, Any]) -> DeadLetterFilter:
    if filters.get("to") is not None:
        filters = filters | {"to": parse_recipient(settings, filters["to"])}
    since_s, until_s = (resolve_time(settings, filters.pop(name)) for name in ("since", "until"))
    return DeadLetterFilter(**filters, since_s=since_s, until_s=until_s)


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
    results = _read_results(settings, letters, selected)
    for letter in selected:
        fields = _to_row(letter, settings.default_region)
        fields |= {"afterwards": results.get(letter.info.id)} | _original_record(letter)
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
    type=Seconds(min=0.01),
    default=20.0,
    show_default=True,
    help="at most this many a second",
)
@click.option("--force", is_flag=True, help="include those that may have been sent already")
@click.option("--wait", is_flag=True, help="wait until each is sent or has ended otherwise")
@timeout_option(120.0)
@output.json_option
def replay(
    everything: bool,
    dry_run: bool,
    rate: float,
    force: bool,
    wait: bool,
    timeout_s: float,
    as_json: bool,
    **filters: Any,
) -> None:
    """Request the messages of dead letters again, under the same request ids. WhatsApp is asked afresh.

    With --wait, the exit code is 1 unless each message was sent.
    """
    settings = run_dir.resolve_kafka(load())
    letter_filter = _make_filter(settings, filters)
    if letter_filter.is_empty != everything:
        raise click.UsageError("Select some (--id, --reason, --class, …), or give --all.")
    plan = asyncio.run(operations.plan_replay(settings, letter_filter, allow_unknown=force))
    replays: list[Replay] = []
    if not dry_run and plan.accepted:
        with output.Progress("replaying") as progress:
            count = len(plan.accepted)
            replays = asyncio.run(
                operations.replay(
                    settings,
                    plan.accepted,
                    rate,
                    is_forced=force,
                    wait_s=timeout_s if wait else 0.0,
                    on_progress=lambda done: progress.show(done / count),
                )
            )
    rows = _replay_rows(plan, replays, settings.default_region, is_dry_run=dry_run)
    output.print_records(rows, _REPLAY_COLUMNS, _REPLAY_DETAILS, as_json=as_json)
    _require_replayed(plan, replays, is_waiting=wait)


def _replay_rows(
    plan: operations.ReplayPlan, replays: list[Replay], region: str | None, *, is_dry_run: bool
) -> list[dict[str, Any]]:
    rows = [_to_row(item.letter, region) | _describe_replay(item) for item in replays]
    if is_dry_run:
        rows += [_to_row(item, region) | {"result": "would be replayed"} for item in plan.accepted]
    return rows + [_to_row(item, region) | {"result": "refused"} for item in plan.refused]


def _describe_replay(item: Replay) -> dict[str, Any]:
    if item.error is not None:
        return {"result": "refused", "message": item.error}
    if item.status is None:
        return {"result": "replayed"}
    error = item.status.error
    return {
        "result": "replayed",
        "status": item.status.status,
        "status_reason": error.code if error is not None else item.status.reason,
    }


def _require_replayed(
    plan: operations.ReplayPlan, replays: list[Replay], *, is_waiting: bool
) -> None:
    problems: list[str] = []
    if plan.refused:
        problems.append(
            f"{len(plan.refused)} refused, because they may have been sent already: "
            "check on the phone, then replay with --force"
        )
    impossible = [item for item in replays if item.error is not None]
    if impossible:
        first = impossible[0]
        problems.append(
            f"{len(impossible)} cannot be replayed; {first.letter.info.id}: {first.error}"
        )
    sent = sum(item.status is not None and item.status.status in SENT_STATUSES for item in replays)
    if is_waiting and replays:
        output.print_note(f"{sent} of {len(replays)} were sent")
        if unsent := len(replays) - len(impossible) - sent:
            problems.append(f"{unsent} were not sent")
    if not plan.accepted and not plan.refused:
        problems.append("no dead letter is selected: `wa-streams dlq list` lists them")
    if problems:
        raise CommandFailed("; ".join(problems))


@dlq.command()
@click.option("--before", type=TimeParam(), help="written before this time: 90d (ago), or a time")
@all_option
@dry_run_option
@click.option("--yes", is_flag=True, help="do not ask first")
@output.json_option
def purge(
    before: TypedTime | None, everything: bool, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Delete dead letters from the log, from the oldest up to a time. It asks first."""
    if (before is None) != everything:
        raise click.UsageError("Give --before with a time, or --all.")
    settings = run_dir.resolve_kafka(load())
    before_s = resolve_time(settings, before)
    if not dry_run and not yes:
        _confirm_purge(settings, before_s)
    count = asyncio.run(operations.purge(settings, before_s, is_dry_run=dry_run))
    if as_json:
        output.print_json({"records": count, "deleted": not dry_run})
    else:
        output.print_data(f"{count} records {'would be' if dry_run else 'were'} deleted")


def _confirm_purge(settings: Settings, before_s: float | None) -> None:
    """What is deleted cannot be replayed any more."""
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: give --yes, or --dry-run.")
    count = asyncio.run(operations.purge(settings, before_s, is_dry_run=True))
    click.confirm(f"Delete {count} dead letters for good?", abort=True, err=True)


def _to_row(letter: DeadLetter, region: str | None) -> dict[str, Any]:
    addressee = read_addressee(letter, region)
    return {
        "id": letter.info.id,
        "request_id": letter.info.request_id,
        "to": addressee.to,
        "batch_id": addressee.batch_id,
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
        output.print_data(f"{name:<{width}}  {output.make_printable(text)}")
    output.print_data("")
