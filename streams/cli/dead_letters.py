"""`dlq`: what could not be delivered: list it, look at it, ask for it again, do away with it.

A dead letter is a record on a log: it is not taken away when it is replayed. That the same one sends
at most one message however often it is replayed is the dispatcher's doing, not ours.
"""

import asyncio
import base64
import time
from collections.abc import Sequence
from typing import Any

import click
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import RecordsToDelete

from streams.cli import output, selection
from streams.cli.selection import DeadLetterFilter
from streams.cli.time_param import TimeParam
from streams.contract import dead_letter
from streams.contract.dead_letter import DeadLetter, InvalidDeadLetter
from streams.kafka import connection
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.local import run_dir
from streams.operations.errors import CommandFailed
from streams.settings import Settings, load

_COLUMNS = ("last_failed_at", "id", "request_id", "reason", "outcome", "attempts", "message")


@click.group()
def dlq() -> None:
    """Dead letters: what could not be delivered."""


@dlq.command("list")
@selection.filter_options
@click.option("--replayed", is_flag=True, help="also those whose replay ended in another one")
@output.json_option
def list_(replayed: bool, as_json: bool, **filters: Any) -> None:
    """List dead letters, oldest first."""
    settings = run_dir.resolve_kafka(load())
    letters = asyncio.run(read_letters(settings))
    selected = select(letters, DeadLetterFilter(**filters), include_replayed=replayed)
    output.print_rows([_to_row(letter) for letter in selected], _COLUMNS, as_json=as_json)


@dlq.command()
@click.argument("id")
@output.json_option
def show(id: str, as_json: bool) -> None:
    """Show one dead letter, or all of one request, with the original record."""
    settings = run_dir.resolve_kafka(load())
    selected = select(
        asyncio.run(read_letters(settings)), DeadLetterFilter(ids=(id,)), include_replayed=True
    )
    if not selected:
        raise CommandFailed(f"no dead letter {id} is kept: `wa-streams dlq list` lists them")
    for letter in selected:
        fields = _to_row(letter) | _original_record(letter)
        if as_json:
            output.print_json(fields)
        else:
            _print_letter(fields)


@dlq.command()
@selection.filter_options
@click.option("--all", "everything", is_flag=True, help="every dead letter")
@click.option("--dry-run", is_flag=True, help="only say which")
@click.option("--rate", type=click.FloatRange(min=0.01), default=20.0, show_default=True, help="/s")
@click.option("--force", is_flag=True, help="also those that may have been sent (outcome unknown)")
@output.json_option
def replay(
    everything: bool, dry_run: bool, rate: float, force: bool, as_json: bool, **filters: Any
) -> None:
    """Ask again for what could not be delivered, under the same request ids."""
    letter_filter = DeadLetterFilter(**filters)
    if letter_filter.is_empty != everything:
        raise click.UsageError("Say which: --id, --reason, --class, --account, --since … or --all.")
    settings = run_dir.resolve_kafka(load())
    selected = select(asyncio.run(read_letters(settings)), letter_filter)
    refused = [each for each in selected if each.info.outcome == "unknown" and not force]
    accepted = [each for each in selected if each not in refused]
    if not dry_run:
        asyncio.run(republish(settings, accepted, rate))
    result = "would be replayed" if dry_run else "replayed"
    rows = [_to_row(each) | {"result": result} for each in accepted]
    rows += [_to_row(each) | {"result": "refused"} for each in refused]
    output.print_rows(rows, ("result", "id", "request_id", "reason", "message"), as_json=as_json)
    if refused:
        raise CommandFailed(
            f"{len(refused)} refused, since nobody can tell whether they were sent: "
            "look at the phone, then replay with --force"
        )
    if not accepted:
        raise CommandFailed("no dead letter is selected: `wa-streams dlq list` lists them")


@dlq.command()
@click.option("--before", "before_s", type=TimeParam(), help="written before then: 90d, or a time")
@click.option("--all", "everything", is_flag=True, help="every dead letter")
@click.option("--dry-run", is_flag=True, help="only say how many")
@output.json_option
def purge(before_s: float | None, everything: bool, dry_run: bool, as_json: bool) -> None:
    """Delete dead letters from the log, up to a time. A log is cut at its old end only."""
    if (before_s is None) != everything:
        raise click.UsageError("Say which: --before a time, or --all.")
    settings = run_dir.resolve_kafka(load())
    count = asyncio.run(_delete_before(settings, before_s, dry_run))
    if as_json:
        output.print_json({"records": count, "deleted": not dry_run})
    else:
        output.print_data(f"{count} records {'would be' if dry_run else 'were'} deleted")


async def read_letters(settings: Settings) -> list[DeadLetter]:
    """Every dead letter that is kept, in the order of writing.

    What somebody else has put on the topic is left out.
    """
    letters: list[DeadLetter] = []
    async with open_reader(settings, names(settings).dlq) as reader:
        async for record in reader.read_to_end():
            try:
                letters.append(dead_letter.parse(record.key, record.value, record.headers))
            except InvalidDeadLetter:
                continue
    return letters


def select(
    letters: Sequence[DeadLetter],
    letter_filter: DeadLetterFilter,
    *,
    include_replayed: bool = False,
) -> list[DeadLetter]:
    """Those that are meant, each once. One whose replay failed again is stood for by the later one."""
    superseded_ids = set() if include_replayed else selection.find_superseded_ids(letters)
    letters_by_id = {each.info.id: each for each in letters if letter_filter.matches(each)}
    return [each for id, each in letters_by_id.items() if id not in superseded_ids]


async def republish(settings: Settings, letters: Sequence[DeadLetter], rate_per_s: float) -> None:
    """Put the original records on `wa.outbound` again, at most `rate` a second."""
    producer = AIOKafkaProducer(**connection.producer_options(settings))
    async with producer:
        for each in letters:
            started_s = time.monotonic()
            await producer.send_and_wait(
                names(settings).outbound,
                each.value,
                key=each.key,
                headers=each.build_replay_headers(),
            )
            await asyncio.sleep(max(0.0, started_s + 1 / rate_per_s - time.monotonic()))


async def _delete_before(settings: Settings, before_s: float | None, dry_run: bool) -> int:
    topic = names(settings).dlq
    async with open_reader(settings, topic) as reader:
        begin_offsets = await reader.beginning_offsets()
        cut_offsets = (
            await reader.end_offsets()
            if before_s is None
            else await reader.offsets_for_time(before_s)
        )
    count = sum(
        max(0, offset - begin_offsets[partition]) for partition, offset in cut_offsets.items()
    )
    if count and not dry_run:
        deletions = {
            partition: RecordsToDelete(before_offset=offset)
            for partition, offset in cut_offsets.items()
        }
        async with connection.admin_client(settings) as client:
            await client.delete_records(deletions)
    return count


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
    """Text as text; other bytes as `{"base64": …}`."""
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
