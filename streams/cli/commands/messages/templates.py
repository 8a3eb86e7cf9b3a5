"""`templates`: list, put, show and delete the templates of messages."""

import asyncio
import sys
from typing import Any

import click
import orjson

from streams.cli import output
from streams.local import run_dir
from streams.operations import templates as operations
from streams.operations.errors import CommandFailed
from streams.operations.templates import StoredTemplate
from streams.settings import Settings, load

# Together not wider than 80 characters; a longer value is cut, and `show` has all of it.
_COLUMNS = ("language", "default", "type", "category")
_DETAILS = ("template", "parameters", "problem")
_MAX_CELL = 64

_language_option = click.option("--language", help="only in this language")


@click.group()
def templates() -> None:
    """List, put, show and delete the templates of messages."""


@templates.command("list")
@output.json_option
def list_(as_json: bool) -> None:
    """List the templates in all their languages.

    One with a `problem` was not stored by `templates put`: requests for it are rejected.
    """
    stored = asyncio.run(operations.read_templates(_load_settings()))
    if as_json:
        output.print_rows([_to_json(template) for template in stored], (), as_json=True)
    elif stored:
        rows = [_to_row(template) for template in stored]
        output.print_records(rows, _COLUMNS, _DETAILS, as_json=False)
    else:
        output.print_note("there are no templates; store one with `wa-streams templates put FILE`")


@templates.command()
@click.argument("files", nargs=-1, required=True, type=click.File("rb"))
@output.json_option
def put(files: tuple[Any, ...], as_json: bool) -> None:
    """Check and store the templates in FILES (JSON; `-`: standard input).

    A file holds one template, or an array. If one of them is not valid, none is stored.
    """
    records = [
        record for file in files for record in operations.parse_templates(file.name, file.read())
    ]
    remarks = asyncio.run(operations.put_templates(_load_settings(), records))
    for record in records:
        if as_json:
            output.print_json({"name": record.name, "language": record.language, "stored": True})
        else:
            output.print_data(f"{record.key} is stored")
    for remark in remarks:
        output.print_note(remark)


@templates.command()
@click.argument("name")
@_language_option
@output.json_option
def show(name: str, language: str | None, as_json: bool) -> None:
    """Show the template NAME, as JSON that `templates put` takes."""
    found = asyncio.run(operations.find_templates(_load_settings(), name, language))
    if as_json:
        output.print_rows([_to_json(template) for template in found], (), as_json=True)
        return
    for template in found:
        if template.problem is not None:
            output.print_note(f"{template.key}: {template.problem}")
    bodies = [orjson.loads(template.value) for template in found if template.record is not None]
    if not bodies:
        raise CommandFailed(f"no record of {name} is a template")
    output.print_data(_indent(bodies[0] if len(bodies) == 1 else bodies))


@templates.command()
@click.argument("name")
@_language_option
@click.option("--yes", is_flag=True, help="do not ask first")
@output.json_option
def delete(name: str, language: str | None, yes: bool, as_json: bool) -> None:
    """Delete the template NAME, in all its languages or in one. It asks first."""
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: give --yes.")
    settings = _load_settings()
    found = asyncio.run(operations.find_templates(settings, name, language))
    if not yes:
        keys = ", ".join(template.key for template in found)
        click.confirm(f"Delete {keys}? Requests for it are rejected then.", abort=True, err=True)
    asyncio.run(operations.delete_templates(settings, found))
    for template in found:
        if as_json:
            deleted = {"name": template.name, "language": template.language, "deleted": True}
            output.print_json(deleted)
        else:
            output.print_data(f"{template.key} is deleted")


def _load_settings() -> Settings:
    return run_dir.resolve_kafka(load())


def _to_json(template: StoredTemplate) -> dict[str, object]:
    record = template.record
    return {
        "name": template.name,
        "language": template.language,
        "default": record is not None and record.default,
        "category": record and (record.category or "transactional"),
        "parameters": list(template.parameters),
        "content": record and record.content,
        "problem": template.problem,
    }


def _to_row(template: StoredTemplate) -> dict[str, object]:
    fields = _to_json(template)
    record = template.record
    return fields | {
        "template": template.name,
        "type": record and record.content["type"],
        "parameters": _cut(", ".join(template.parameters)) or None,
        "problem": template.problem and _cut(template.problem),
    }


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CELL else f"{text[: _MAX_CELL - 1]}…"


def _indent(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
