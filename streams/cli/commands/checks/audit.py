"""`audit`: does what the topics say keep the guarantees?"""

import asyncio
from dataclasses import asdict
from typing import Any

import click

from streams.cli import output
from streams.cli.options import Seconds
from streams.cli.time_param import TimeParam, TypedTime, resolve_time
from streams.contract.timestamps import format_rfc3339
from streams.local import run_dir
from streams.operations.audit.facts import Report, Waiting
from streams.operations.audit.reading import DEFAULT_ANSWER_TIMEOUT_S
from streams.operations.audit.reading import audit as run_audit
from streams.operations.errors import CommandFailed
from streams.settings import load

_MAX_SHOWN = 20  # of what waits; with --json all of it is printed
_VIOLATION_DETAILS = ("id", "to", "detail", "records")


@click.command()
@click.option("--since", type=TimeParam(), help="from this time on: 15m, 2h, 7d (ago), or a time")
@click.option(
    "--answer-timeout",
    "answer_timeout_s",
    type=Seconds(min=0),
    default=DEFAULT_ANSWER_TIMEOUT_S,
    show_default=True,
    help="seconds after which a request without any event is lost",
)
@output.json_option
def audit(since: TypedTime | None, answer_timeout_s: float, as_json: bool) -> None:
    """Check the guarantees from the public topics alone; exit code 1 if one was broken.

    Every request is answered, once; nothing is lost, sent twice, too fast or out of order. What the retention of the
    topics, or --since, leaves out is counted as not judged.
    """
    settings = run_dir.resolve_kafka(load())
    since_s = resolve_time(settings, since)
    with output.Progress("reading") as progress:
        report = asyncio.run(
            run_audit(
                settings,
                since_s,
                answer_timeout_s=answer_timeout_s,
                on_progress=lambda _, fraction: progress.show(fraction),
            )
        )
    if as_json:
        _print_json(report)
    else:
        _print_report(report)
    if report.violations:
        raise CommandFailed(f"{len(report.violations)} violations of the guarantees")


def _print_json(report: Report) -> None:
    for violation in report.violations:
        output.print_json({"type": "violation", **asdict(violation)})
    for waiting in report.waiting:
        output.print_json({"type": "waiting", **_to_row(waiting)})
    output.print_json(
        {
            "type": "summary",
            "requests": report.requests,
            "messages": report.messages,
            "events": report.events,
            "dead_letters": report.dead_letters,
            "waiting": len(report.waiting),
            "violations": len(report.violations),
            "not_judged": report.unjudged,
        }
    )


def _print_report(report: Report) -> None:
    if report.violations:
        rows = [asdict(violation) for violation in report.violations]
        output.print_records(rows, ["kind"], _VIOLATION_DETAILS, as_json=False)
    if report.waiting:
        waiting = sorted(report.waiting, key=lambda item: item.since_s)
        rows = [_to_row(item) for item in waiting[:_MAX_SHOWN]]
        output.print_records(rows, ["status", "reason", "since"], ["id", "to"], as_json=False)
        if len(waiting) > _MAX_SHOWN:
            output.print_data(f"… {len(waiting) - _MAX_SHOWN} more; --json prints all")
    for reason, count in report.unjudged.items():
        output.print_data(f"not judged: {count} ({reason})")
    output.print_data(
        f"audit: {report.requests} requests, {len(report.waiting)} waiting, "
        f"{len(report.violations)} violations"
    )


def _to_row(waiting: Waiting) -> dict[str, Any]:
    return {
        "id": waiting.id,
        "to": waiting.to,
        "status": waiting.status,
        "reason": waiting.reason,
        "since": format_rfc3339(waiting.since_s),
        "record": waiting.record,
    }
