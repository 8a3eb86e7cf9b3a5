"""`report`: what became of the messages of a time, as a table, CSV, JSON or a page."""

import asyncio
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from msgspec import to_builtins

from streams.cli import output
from streams.cli.time_param import TimeParam, TypedTime, resolve_time
from streams.local import run_dir
from streams.operations.errors import UsageError
from streams.settings import load

if TYPE_CHECKING:
    from streams.operations.reports.report import Report

_DIMENSIONS = ("account", "template", "batch", "hour", "country")
_COUNTS = ("messages", "sent", "delivered", "read", "failed", "open")
_MISSING = "a report needs a package that is not installed ({}): pip install 'wa-streams[report]'"


@click.command()
@click.option(
    "--since",
    type=TimeParam(),
    default="7d",
    show_default=True,
    help="accepted at this time or later: 15m, 2h, 7d (ago), or a time",
)
@click.option("--until", type=TimeParam(), help="accepted before this time; without it, until now")
@click.option("--by", type=click.Choice(_DIMENSIONS), help="also count by this")
@click.option(
    "--zone", "zone_name", default="UTC", show_default=True, help="time zone of the hours"
)
@click.option("--csv", "as_csv", is_flag=True, help="print CSV: a row for each group")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="write a page with charts to this file",
)
@output.json_option
def report(
    since: TypedTime,
    until: TypedTime | None,
    by: Any,
    zone_name: str,
    as_csv: bool,
    page: Path | None,
    as_json: bool,
) -> None:
    """Report what became of messages: sent, delivered, read, failed, and how long that took.

    It counts the messages that were accepted in the time, and whatever has happened to them until now, also after the
    end of the time. wa.status keeps events for 30 days, unless it is configured otherwise.
    """
    try:
        from streams.operations.reports import rendering
        from streams.operations.reports.report import ReportQuery, make_report
    except ModuleNotFoundError as error:
        raise UsageError(_MISSING.format(error.name)) from None
    settings, zone = run_dir.resolve_kafka(load()), _find_zone(zone_name)
    query = ReportQuery(
        since_s=resolve_time(settings, since) or 0.0,
        until_s=resolve_time(settings, until),
        by=by,
        zone=zone,
    )
    with output.Progress("reading") as progress:
        result = asyncio.run(make_report(settings, query, progress.show))
    if page is not None:
        page.write_text(rendering.render_page(result), encoding="utf-8")
    if as_json:
        output.print_json(to_builtins(result))
    elif as_csv:
        output.print_data(rendering.render_csv(result).rstrip("\n"))
    elif page is not None:
        output.print_data(f"{page}: {result.total.messages} messages")
    else:
        _print_tables(result)


def _find_zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"--zone {name}: is not a time zone; for example Europe/Istanbul"
        ) from None


def _print_tables(result: "Report") -> None:
    from streams.operations.reports.rendering import build_rows

    if result.is_empty:
        output.print_data(
            f"No message was accepted or rejected from {result.since} to {result.until}."
        )
        return
    total = result.total
    shares = {name: getattr(total, name) for name in ("accepted", "sent", "delivered", "read")}
    output.print_rows(
        [
            {"step": name, "messages": count, "share": _format_share(count, total.accepted)}
            for name, count in shares.items()
        ],
        ("step", "messages", "share"),
        as_json=False,
    )
    output.print_data(f"not sent: {total.failed}, still open: {total.open}")
    _print_times(result)
    if result.failures:
        output.print_data("")
        rows = [to_builtins(failure) for failure in result.failures]
        output.print_rows(rows, ("status", "code", "messages"), as_json=False)
    _print_hours(result)
    consents = result.consents
    output.print_data(f"opt-outs: {consents.opted_out}, opt-ins: {consents.opted_in}")
    if result.by is not None:
        output.print_data("")
        output.print_records(build_rows(result), _COUNTS, (result.by,), as_json=False)


def _print_times(result: "Report") -> None:
    from streams.operations.reports.rendering import format_duration

    rows: list[dict[str, str]] = []
    for name in ("accepted_to_sent", "sent_to_delivered", "delivered_to_read"):
        times = getattr(result.total, name)
        known = {"p50": times.p50_s, "p95": times.p95_s}
        texts = {key: "-" if s is None else format_duration(s) for key, s in known.items()}
        rows.append({"time": name.replace("_", " "), **texts})
    output.print_data("")
    output.print_rows(rows, ("time", "p50", "p95"), as_json=False)


def _print_hours(result: "Report") -> None:
    best = [
        f"{hour.hour:02}:00 ({_format_share(hour.read, hour.sent)} of {hour.sent} read)"
        for hour in result.hours
        if hour.is_best
    ]
    output.print_data("")
    output.print_data(f"best hours ({result.zone}): {', '.join(best) or 'too few messages'}")


def _format_share(part: int, total: int) -> str:
    return f"{part / total:.1%}" if total else "-"
