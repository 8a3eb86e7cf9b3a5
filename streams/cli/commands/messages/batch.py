"""`batch`: send the rows of a file as one batch."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from streams.cli import output
from streams.cli.batch_progress import print_progress, show_progress
from streams.cli.options import dry_run_option
from streams.contract.batch import BatchProgress
from streams.contract.request.form import RequestForm
from streams.local import run_dir
from streams.operations.batches import sending
from streams.operations.batches.plan import CheckRequest, InvalidRow, Plan, plan_batch
from streams.operations.batches.rows import Columns, Request, Row, Template, read_rows
from streams.operations.batches.sending import TemplatePreview
from streams.operations.errors import CommandFailed, UsageError
from streams.settings import Settings, load

_SHOWN_ROWS = 3


def _parse_columns(_: click.Context, __: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for value in values:
        field, separator, header = value.partition("=")
        if not separator or not header:
            raise click.BadParameter(f"{value!r}: write FIELD=HEADER, for example to=Phone.")
        if field not in RequestForm.__struct_encode_fields__ and not field.startswith(
            ("metadata.", "params.")
        ):
            raise click.BadParameter(f"{field!r} is no field of a request.")
        columns[field] = header
    return columns


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--template", help="the template of all rows; other columns are its parameters")
@click.option("--language", help="the language of the template")
@click.option(
    "--column",
    "columns",
    multiple=True,
    callback=_parse_columns,
    metavar="FIELD=HEADER",
    help="the column that holds a field of the request, for example to=Phone",
)
@click.option(
    "--campaign", default="", help="send all rows again under this name, also those that were sent"
)
@click.option("--priority", type=click.Choice(["urgent", "normal", "bulk"]))
@click.option("--category", type=click.Choice(["transactional", "marketing"]))
@click.option("--send-at", help="do not send before this time, RFC 3339")
@click.option("--expires-at", help="do not send after this time, RFC 3339")
@click.option("--account", help="sending account; without it: chosen for each recipient")
@click.option("--skip-invalid", is_flag=True, help="send the valid rows although others are not")
@click.option("--no-wait", is_flag=True, help="do not wait until the batch is finished")
@dry_run_option
@output.json_option
def batch(
    file: Path,
    template: str | None,
    language: str | None,
    columns: dict[str, str],
    campaign: str,
    skip_invalid: bool,
    no_wait: bool,
    dry_run: bool,
    as_json: bool,
    **defaults: Any,
) -> None:
    """Send each row of FILE (.csv or .jsonl) as a message, as one batch, and show its progress.

    The first line of a CSV file names the fields: to, text, id, send_at, metadata.order … After Ctrl-C the batch goes
    on; the same command watches it again. A row that was sent is never sent again: what counts is its recipient and its
    content. --dry-run prints the first messages and every row that is not valid.
    """
    if language is not None and template is None:
        raise click.UsageError("--language needs --template.")
    settings = load()
    used = Template(template, language) if template is not None else None
    given = {name: value for name, value in defaults.items() if value is not None}
    rows = read_rows(file, Columns(columns, used), given)
    settings = run_dir.resolve_kafka(settings)
    preview = asyncio.run(sending.open_preview(settings)) if _has_template(rows) else None
    plan = plan_batch(file.stem, rows, campaign, _make_check(settings, preview))
    if dry_run:
        _print_dry_run(plan, preview, as_json)
        return
    _refuse_invalid(plan, skip_invalid)
    _send(settings, plan, no_wait, as_json)


def _has_template(rows: Sequence[Row]) -> bool:
    contents: list[Any] = [row.request.get("content") for row in rows if row.request is not None]
    return any(isinstance(found, dict) and found.get("type") == "template" for found in contents)


def _make_check(settings: Settings, preview: TemplatePreview | None) -> CheckRequest:
    def check(request: Request) -> str | None:
        problem = sending.check_number(request, settings.default_region)
        return preview.find_problem(request) if preview is not None and not problem else problem

    return check


def _print_dry_run(plan: Plan, preview: TemplatePreview | None, as_json: bool) -> None:
    for request in plan.requests[:_SHOWN_ROWS]:
        output.print_json(request if preview is None else preview.render(request))
    for row in plan.invalid:
        if as_json:
            output.print_json({"line": row.line, "problem": row.problem})
        else:
            output.print_data(_describe(row))
    output.print_note(
        f"{plan.batch_id}: {len(plan.requests)} messages would be sent, {len(plan.invalid)} rows are not valid, "
        f"{plan.repeated} repeat another row; nothing was sent"
    )


def _describe(row: InvalidRow) -> str:
    return f"line {row.line}: {output.make_printable(row.problem)}"


def _refuse_invalid(plan: Plan, skip_invalid: bool) -> None:
    if plan.invalid and not skip_invalid:
        first = _describe(plan.invalid[0])
        raise UsageError(
            f"{len(plan.invalid)} rows are not valid, so nothing was sent; {first}. --dry-run prints all of them, and "
            "--skip-invalid sends the others"
        )
    if not plan.requests:
        raise UsageError("no row is valid; --dry-run prints why")


def _send(settings: Settings, plan: Plan, no_wait: bool, as_json: bool) -> None:
    finished = asyncio.run(_find_finished(settings, plan.batch_id))
    if finished is not None:
        output.print_note(
            "this batch was sent before, and nothing is sent again. Another --campaign sends all of its rows, also to "
            "those who have got theirs"
        )
        print_progress(finished, as_json=as_json)
        _require_success(finished)
        return
    skipped = f", {len(plan.invalid)} rows skipped" if plan.invalid else ""
    repeated = f", {plan.repeated} rows repeat another one" if plan.repeated else ""
    asyncio.run(sending.send(settings, plan))
    output.print_note(
        f"{plan.batch_id}: {len(plan.requests)} messages written to Kafka{skipped}{repeated}"
    )
    if no_wait:
        if as_json:
            output.print_json({"batch_id": plan.batch_id, "total": len(plan.requests)})
        return
    try:
        progress = asyncio.run(show_progress(settings, plan.batch_id, as_json=as_json))
    except KeyboardInterrupt:
        output.print_note(
            f"the batch goes on: the same command shows it again, and `wa-streams cancel --batch {plan.batch_id}` "
            "withdraws what waits"
        )
        raise
    _require_success(progress)


async def _find_finished(settings: Settings, batch_id: str) -> BatchProgress | None:
    progress = await sending.read_progress(settings, batch_id)
    return progress if progress is not None and progress.finished_at is not None else None


def _require_success(progress: BatchProgress) -> None:
    lost = progress.total - progress.sent
    if lost:
        raise CommandFailed(
            f"{lost} of {progress.total} messages were not sent: "
            f"see `wa-streams dlq list --batch {progress.batch_id}`"
        )
