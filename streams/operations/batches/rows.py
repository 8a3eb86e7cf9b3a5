"""The rows of a file (CSV or JSON lines) as requests in the contract's form. Checks no request, and sends nothing.

A CSV file names the fields of a request in its first line. Its values are texts, and an empty cell is an absent field.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import orjson

from streams.contract.request.form import RequestForm
from streams.operations.errors import UsageError

CSV_SUFFIXES: Final = {".csv", ".tsv"}
JSON_SUFFIXES: Final = {".jsonl", ".ndjson"}
_FIELDS: Final = {name.lower(): name for name in RequestForm.__struct_encode_fields__} | {
    "phone": "to"
}
_METADATA, _PARAMETER = "metadata.", "params."
_MAX_CELL_CHARACTERS: Final = 1 << 24

Request: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """The template that all rows of a file use; columns that are no field of a request are its parameters."""

    name: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """How the columns of a file are read."""

    fields: Mapping[str, str] = field(default_factory=dict[str, str])  # field of a request → header
    template: Template | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the number of its line, and its request, or what is wrong with the line."""

    line: int
    request: Request | None
    problem: str | None = None


def read_rows(file: Path, columns: Columns, defaults: Mapping[str, Any]) -> list[Row]:
    """All rows of a file, with these fields where a row has none of its own.

    Raises:
        UsageError: the file is not of a kind that can be read, or a column has no meaning.
        OSError: the file cannot be read.
    """
    suffix = file.suffix.lower()
    if suffix not in CSV_SUFFIXES | JSON_SUFFIXES:
        known = ", ".join(sorted(CSV_SUFFIXES | JSON_SUFFIXES))
        raise UsageError(f"{file}: its name must end with one of {known}")
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    read = _read_csv if suffix in CSV_SUFFIXES else _read_json_lines
    rows = [
        row if row.request is None else Row(row.line, {**defaults, **row.request})
        for row in read(str(file), text, columns)
    ]
    if not rows:
        raise UsageError(f"{file}: has no rows")
    return rows


# -- JSON lines


def _read_json_lines(_: str, text: str, columns: Columns) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            parsed: object = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield Row(number, None, f"is not JSON ({error})")
            continue
        if not isinstance(parsed, dict):
            yield Row(number, None, "is not a JSON object")
            continue
        yield Row(number, _add_template(cast("Request", parsed), columns.template, {}))


# -- CSV


def _read_csv(name: str, text: str, columns: Columns) -> Iterator[Row]:
    csv.field_size_limit(_MAX_CELL_CHARACTERS)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_find_delimiter(text), strict=True)
    try:
        header = next(lines, [])
        targets = _map_header(name, header, columns)
        for cells in lines:
            if any(cell.strip() for cell in cells):
                yield _read_cells(lines.line_num, cells, targets, columns.template)
    except csv.Error as error:
        raise UsageError(f"{name}: line {lines.line_num}: is not CSV ({error})") from None


def _find_delimiter(text: str) -> str:
    """The one that the first line has most often."""
    first = text.split("\n", 1)[0]
    return max(",;\t", key=first.count)


def _map_header(name: str, header: Sequence[str], columns: Columns) -> list[str]:
    """What each column is: a field of a request, `metadata.…` or `params.…`."""
    headers = [cell.strip() for cell in header]
    if missing := sorted(set(columns.fields.values()) - set(headers)):
        raise UsageError(f"{name}: has no column {missing[0]}; there are: {', '.join(headers)}")
    mapped = {column: target for target, column in columns.fields.items()}
    targets = [mapped.get(column) or _find_target(column, columns) for column in headers]
    unknown = [
        column for column, target in zip(headers, targets, strict=True) if not target and column
    ]
    if unknown:
        raise UsageError(
            f"{name}: {', '.join(unknown)}: no field of a request. Map a column with --column, for example "
            f"text={unknown[0]}, or call it metadata.{unknown[0]}, or use --template"
        )
    repeated = [target for target in targets if target and targets.count(target) > 1]
    if repeated:
        raise UsageError(f"{name}: several columns are {repeated[0]}")
    return targets


def _find_target(column: str, columns: Columns) -> str:
    if column.startswith((_METADATA, _PARAMETER)):
        return column
    known = _FIELDS.get(column.lower())
    if known is not None and known not in columns.fields:
        return known
    return f"{_PARAMETER}{column}" if columns.template is not None and column else ""


def _read_cells(
    line: int, cells: Sequence[str], targets: Sequence[str], template: Template | None
) -> Row:
    if len(cells) > len(targets):
        return Row(line, None, f"has {len(cells)} cells; the first line has {len(targets)}")
    request: Request = {}
    metadata: dict[str, str] = {}
    parameters: dict[str, str] = {}
    for target, cell in zip(targets, cells, strict=False):
        if not target or not cell:
            continue
        if target.startswith(_METADATA):
            metadata[target.removeprefix(_METADATA)] = cell
        elif target.startswith(_PARAMETER):
            parameters[target.removeprefix(_PARAMETER)] = cell
        else:
            try:
                request[target] = _read_cell(target, cell)
            except ValueError as error:
                return Row(line, None, f"{target}: {error}")
    if metadata:
        request["metadata"] = metadata
    return Row(line, _add_template(request, template, parameters))


def _read_cell(target: str, cell: str) -> Any:
    """The value of a field: most are texts."""
    if target in {"content", "metadata"}:
        try:
            return orjson.loads(cell)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"is not JSON ({error})") from None
    if target == "ttl_s":
        try:
            return float(cell)
        except ValueError:
            raise ValueError("is not a number") from None
    return cell if target in {"text", "message"} else cell.strip()


def _add_template(
    request: Request, template: Template | None, parameters: Mapping[str, str]
) -> Request:
    if template is None or "content" in request:
        return request
    content: dict[str, Any] = {"type": "template", "name": template.name}
    if template.language is not None:
        content["language"] = template.language
    return {**request, "content": {**content, "params": {**parameters}}}
