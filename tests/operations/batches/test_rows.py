"""What a file's rows are, and what is said of a file that cannot be read."""

from pathlib import Path
from typing import Any

import pytest

from streams.operations.batches.rows import Columns, Row, Template, read_rows
from streams.operations.errors import UsageError


def read(folder: Path, data: str | bytes, name: str = "a.csv", **columns: Any) -> list[Row]:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_rows(path, Columns(**columns), {"priority": "bulk"})


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_csv_as_programs_write_it(tmp_path: Path, delimiter: str, end: str, mark: bytes) -> None:
    """Of a spreadsheet or a database, with quotes, empty cells and empty lines."""
    lines = [
        ["To", "text", "priority", "metadata.order", "ttl_s"],
        ["+60 12-345 6789", f'"a{delimiter} ""b""{end}c"', "", "7", "60"],
        [""] * 5,
        ["+60123456780 ", " d ", "urgent", "", ""],
    ]
    text = end.join(delimiter.join(cells) for cells in lines) + end
    rows = read(tmp_path, mark + text.encode())
    assert [row.request for row in rows] == [
        {
            "priority": "bulk",
            "to": "+60 12-345 6789",
            "text": f'a{delimiter} "b"{end}c',
            "ttl_s": 60.0,
            "metadata": {"order": "7"},
        },
        {"priority": "urgent", "to": "+60123456780", "text": " d "},
    ]
    assert rows[-1].line == 5  # a cell that has two lines moves the others


def test_columns_are_mapped(tmp_path: Path) -> None:
    """By name; with a template, the other columns are its parameters."""
    text = "Phone,Name,text\n+60123456789,Ada,x\n"
    template = Template("hello", "en")
    (row,) = read(tmp_path, text, template=template, fields={"metadata.note": "text"})
    assert row.request == {
        "priority": "bulk",
        "to": "+60123456789",
        "metadata": {"note": "x"},
        "content": {
            "type": "template",
            "name": "hello",
            "language": "en",
            "params": {"Name": "Ada"},
        },
    }


def test_json_lines(tmp_path: Path) -> None:
    """Each line is a request; a line that is none is named, and the others count."""
    rows = read(tmp_path, '{"to": "1", "text": "x"}\n\n[]\n{"to": \n{"to": "2"}', "a.jsonl")
    assert [(row.line, row.request) for row in rows if row.request] == [
        (1, {"priority": "bulk", "to": "1", "text": "x"}),
        (5, {"priority": "bulk", "to": "2"}),
    ]
    assert [(row.line, row.problem) for row in rows if row.problem] == [
        (3, "is not a JSON object"),
        (4, rows[2].problem),
    ]
    assert "is not JSON" in str(rows[2].problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("to,text\n+60123456789,a,b\n", "has 3 cells; the first line has 2"),
        ("to,ttl_s\n+60123456789,soon\n", "ttl_s: is not a number"),
        ("to,content\n+60123456789,{\n", "content: is not JSON"),
    ],
)
def test_a_row_that_cannot_be_read(tmp_path: Path, text: str, problem: str) -> None:
    """It is named with its line."""
    (row,) = read(tmp_path, text)
    assert row.line == 2
    assert row.request is None
    assert str(row.problem).startswith(problem)


@pytest.mark.parametrize(
    ("data", "name", "problem"),
    [
        ("to,text\n", "a.csv", "has no rows"),
        ("", "a.csv", "has no rows"),
        ("\n", "a.jsonl", "has no rows"),
        ("x", "a.xlsx", "its name must end with one of .csv, .jsonl, .ndjson, .tsv"),
        ("to,text\n+1,é\n".encode("latin-1"), "a.csv", r"is not UTF-8 \(byte 11\)"),
        ('to,text\n+1,"x"y\n', "a.csv", "line 2: is not CSV"),
        ("to,Texxt\n+1,x\n", "a.csv", "Texxt: no field of a request"),
        ("to,phone,text\n1,2,x\n", "a.csv", "several columns are to"),
    ],
)
def test_a_file_that_cannot_be_read(
    tmp_path: Path, data: str | bytes, name: str, problem: str
) -> None:
    """One line says what to do."""
    with pytest.raises(UsageError, match=problem):
        read(tmp_path, data, name)


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    """Its name is among those that are mapped."""
    with pytest.raises(UsageError, match="has no column Phone; there are: to, text"):
        read(tmp_path, "to,text\n1,x\n", fields={"to": "Phone"})
