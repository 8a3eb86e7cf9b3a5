"""`consent`: who has opted out of marketing messages, and decide for a recipient."""

import asyncio
from typing import Any

import click
from msgspec import to_builtins

from streams.cli import output
from streams.cli.options import timeout_option
from streams.cli.time_param import format_minute
from streams.dispatch.records.consents import ConsentRecord
from streams.local import run_dir
from streams.operations import consent as operations
from streams.settings import load

_COLUMNS = ("phone", "consent", "at", "source", "account")
_STATUSES = {"opted-out": "opted_out", "opted-in": "opted_in"}


@click.group()
def consent() -> None:
    """List who has opted out of marketing messages, or decide for a recipient."""


@consent.command("list")
@click.option("--opted-out", "is_only_opted_out", is_flag=True, help="without those who opted in")
@output.json_option
def list_(is_only_opted_out: bool, as_json: bool) -> None:
    """List the last decision for each recipient that has one, the newest first.

    `source` is `message` if the recipient wrote an opt-out or opt-in word, and `operator` if `consent set` or a program
    decided.
    """
    records = asyncio.run(operations.read_consents(run_dir.resolve_kafka(load())))
    if is_only_opted_out:
        records = [record for record in records if record.consent == "opted_out"]
    if as_json:
        output.print_rows([to_builtins(record) for record in records], (), as_json=True)
    elif records:
        output.print_rows([_to_row(record) for record in records], _COLUMNS, as_json=False)
    else:
        output.print_note("no recipient has opted out")


@consent.command("set")
@click.argument("phone")
@click.argument("decision", type=click.Choice(list(_STATUSES)))
@timeout_option(30.0)
@output.json_option
def set_(phone: str, decision: str, timeout_s: float, as_json: bool) -> None:
    """Decide whether PHONE gets marketing messages, on every account.

    With `opted-out`, marketing messages that wait are rejected, each with a dead letter. What is being sent goes its
    way. The recipient gets no confirmation.
    """
    status: Any = _STATUSES[decision]
    settings = run_dir.resolve_kafka(load())
    record = asyncio.run(operations.set_consent(settings, phone, status, timeout_s=timeout_s))
    if as_json:
        output.print_json(to_builtins(record))
    else:
        output.print_data(f"{record.phone} has {record.consent.replace('_', ' ')}")


def _to_row(record: ConsentRecord) -> dict[str, Any]:
    row = to_builtins(record)
    return {name: row.get(name) for name in _COLUMNS} | {"at": format_minute(record.at)}
