"""What commands print: for programs JSON, one object a line; for people aligned columns.

Data go to stdout and notes to stderr, so that `--json` can be piped. Nothing else in the command line
prints, except the screens of `up` and `demo`.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import click
import orjson
from rich.console import Console
from rich.table import Table

from streams.system.std_streams import discard

F = TypeVar("F", bound=Callable[..., Any])

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_WIDTH = 80
_PIPE_WIDTH = 10_000  # in a pipe nothing is wrapped


def json_option(command: F) -> F:
    """The option `--json`, of every command that prints data."""
    return click.option("--json", "as_json", is_flag=True, help="print JSON, one object a line")(
        command
    )


def print_note(text: str) -> None:
    """Print a sentence for the user, on stderr."""
    try:
        click.echo(text, err=True)
    except OSError:  # nobody reads the notes, and the command goes on
        discard(sys.stderr)


def print_data(text: str) -> None:
    """Print data at once. If the reader has closed the pipe (`| head`), end the command without error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        discard(sys.stdout)
        raise click.exceptions.Exit(0) from None


def print_json(value: object) -> None:
    """Print one JSON object on one line, at once."""
    print_data(orjson.dumps(value, default=str).decode())


def print_rows(
    items: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool
) -> None:
    """Print one JSON object a line, or a table of these columns."""
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


def print_records(
    items: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    details: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """Like `print_rows`, for items with ids: below each row stand its details, which are never broken.

    So an id can be copied, however long it is, and everything else fits in 80 columns.
    """
    if as_json:
        print_rows(items, columns, as_json=True)
        return
    rows = [columns, *([format_cell(item.get(name)) for name in columns] for item in items)]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    print_data(lines[0].replace("_", " "))
    for line, item in zip(lines[1:], items, strict=True):
        print_data(line)
        for detail_line in _format_details(item, details):
            print_data(detail_line)


def _format_details(item: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    """Names and values, as many in a line as fit."""
    line = ""
    for name in names:
        if item.get(name) is None:
            continue
        text = f"{name.replace('_', ' ')} {format_cell(item[name])}"
        if line and len(line) + 2 + len(text) > _WIDTH:
            yield line
            line = ""
        line = f"{line}  {text}"
    if line:
        yield line


def format_cell(value: Any) -> str:
    """A value as a cell of a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return make_printable(", ".join(str(item) for item in value)) or "-"
    return make_printable(str(value))


def make_printable(text: str) -> str:
    """The text on one line, its control characters as escapes: what a caller wrote must not move the cursor."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class Progress:
    """How far a long reading is: one line that is rewritten on a terminal, and nothing elsewhere."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._is_shown = False

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        if self._is_shown:
            click.echo("\r\x1b[K", nl=False, err=True)

    def show(self, fraction: float) -> None:
        """The part that is done, from 0 to 1."""
        if sys.stderr.isatty():
            self._is_shown = True
            click.echo(f"\r{self._text}: {min(fraction, 1.0):.0%}\x1b[K", nl=False, err=True)


def make_console() -> Console:
    """The console for tables. Markup is off, so that data is never read as colours."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(markup=False, highlight=False, emoji=False, width=width)
