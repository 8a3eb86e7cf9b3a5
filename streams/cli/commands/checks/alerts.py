"""`alerts`: what needs a person now."""

import asyncio
from typing import Any

import click

from streams.cli import output
from streams.cli.time_param import format_minute
from streams.contract.alerts.record import AlertRecord
from streams.local import run_dir
from streams.operations.alerts import build_runbook_url, follow_alerts, read_alerts
from streams.operations.errors import CommandFailed
from streams.settings import Settings, load

_COLUMNS = ("alert", "severity", "state", "since")
_DETAILS = ("about", "summary", "runbook")


@click.command()
@click.option("--follow", "-f", is_flag=True, help="then print each change, until Ctrl-C")
@output.json_option
def alerts(follow: bool, as_json: bool) -> None:
    """Print the alerts that are raised, with the page that says what to do.

    The rules are evaluated by a dispatcher. If none does, the exit code is 1: nobody knows then.
    """
    settings = run_dir.resolve_kafka(load())
    if follow:
        _follow(settings, as_json=as_json)
        return
    report = asyncio.run(read_alerts(settings))
    _print_alerts(settings, report.raised, as_json=as_json)
    if not report.is_current:
        raise CommandFailed(
            "no dispatcher evaluates the alerts now, so this may be out of date: see `wa-streams ps`"
        )
    output.print_note(f"{len(report.raised)} alerts")


def _follow(settings: Settings, *, as_json: bool) -> None:
    async def print_changes() -> None:
        async for record in follow_alerts(settings):
            _print_alerts(settings, [record], as_json=as_json)

    try:
        asyncio.run(print_changes())
    except KeyboardInterrupt:
        return  # the regular end


def _print_alerts(settings: Settings, records: list[AlertRecord], *, as_json: bool) -> None:
    rows = [_to_row(settings, record, as_json=as_json) for record in records]
    if rows:
        output.print_records(rows, _COLUMNS, _DETAILS, as_json=as_json)


def _to_row(settings: Settings, record: AlertRecord, *, as_json: bool) -> dict[str, Any]:
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    url = build_runbook_url(settings, record.alert)
    if as_json:
        return fields | {"runbook_url": url}
    about = ", ".join(f"{name} {value}" for name, value in record.labels.items()) or None
    since = format_minute(record.at)
    return fields | {"since": since, "about": about, "runbook": url or record.runbook}
