"""What commands print: JSON, one object a line, for programs; aligned columns for people.

Data go to stdout, what is said about them to stderr, so that `--json` can be piped. Nothing else in
the command line prints, except the live pictures (screen.py, demo_picture.py).
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click
import orjson
from rich.console import Console
from rich.table import Table

F = TypeVar("F", bound=Callable[..., Any])

_PIPE_WIDTH = 10_000  # a pipe has no edge to wrap at


def json_option(command: F) -> F:
    """The option that every command has which prints data."""
    return click.option(
        "--json", "as_json", is_flag=True, help="JSON, one object or one object a line"
    )(command)


def print_note(text: str) -> None:
    """A sentence for the person in front of the terminal; no data."""
    click.echo(text, err=True)


def print_data(text: str) -> None:
    """Data as text, at once. A reader that has seen enough (`| head`) ends the command, without error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # What is still in the buffer goes nowhere, else the interpreter complains at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(0) from None


def print_json(value: object) -> None:
    """One JSON object on one line, at once."""
    print_data(orjson.dumps(value, default=str).decode())


def print_rows(
    items: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool
) -> None:
    """Objects a line, or these columns of them."""
    if as_json:
        for item in items:
            print_json(item)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name.replace("_", " "), overflow="fold")
    for item in items:
        table.add_row(*(format_cell(item.get(name)) for name in columns))
    out = make_console()
    with out.capture() as capture:
        out.print(table)
    print_data("\n".join(line.rstrip() for line in capture.get().splitlines()))


def format_cell(value: Any) -> str:
    """A value as it stands in a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(each) for each in value) or "-"
    return str(value)


def make_console() -> Console:
    """Where tables go. Markup is off: what users wrote is never taken for colours."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(markup=False, highlight=False, emoji=False, width=width)
