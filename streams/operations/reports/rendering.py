"""A report as a page, and as rows for a table or a spreadsheet. Everything that a caller has named is escaped.

The page needs no other file and no network: its charts are SVG, and its policy forbids scripts.
"""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import jinja2

from streams.contract.timestamps import parse_rfc3339
from streams.operations.reports import drawing
from streams.operations.reports.figures import Figures, Times
from streams.operations.reports.report import Report

TEMPLATE_DIR: Final = Path(__file__).parent / "templates"
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would calculate


def format_duration(seconds: float) -> str:
    """A duration as a person reads it: `0.41 s`, `12.3 s`, `4.2 min`, `3.0 h`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    for unit, unit_s in (("h", 3600), ("min", 60)):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.1f} {unit}"
    return f"{seconds:.1f} s"


def format_moment(text: str) -> str:
    """A time in UTC, to the minute."""
    return datetime.fromtimestamp(parse_rfc3339(text), UTC).strftime("%Y-%m-%d %H:%M")


FILTERS: Final = {"duration": format_duration, "moment": format_moment}


def build_values(report: Report) -> dict[str, Any]:
    """What the macro `body` of the templates needs."""
    return {
        "report": report,
        "funnel": drawing.build_funnel(report.total),
        "hours": drawing.build_hours(report.hours),
        "groups": drawing.build_groups(report.groups),
    }


def render_page(report: Report) -> str:
    """The report as one HTML page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE_DIR),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment.get_template("report.html").render(**build_values(report))


def build_rows(report: Report) -> list[dict[str, Any]]:
    """A row for each group; without groups, one row for all messages."""
    if report.by is None:
        return [_build_row({}, report.total)]
    return [_build_row({report.by: group.name}, group.figures) for group in report.groups]


def _build_row(name: dict[str, Any], figures: Figures) -> dict[str, Any]:
    row = name | {
        field: getattr(figures, field)
        for field in ("messages", "accepted", "sent", "delivered", "read", "failed", "open")
    }
    for field in ("accepted_to_sent", "sent_to_delivered", "delivered_to_read"):
        times: Times = getattr(figures, field)
        row |= {f"{field}_p50_s": times.p50_s, f"{field}_p95_s": times.p95_s}
    return row


def render_csv(report: Report) -> str:
    """The rows, for a spreadsheet: no cell can be a formula."""
    rows = build_rows(report)
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _make_harmless(value) for name, value in row.items()})
    return text.getvalue()


def _make_harmless(value: Any) -> Any:
    is_formula = isinstance(value, str) and value.startswith(_FORMULA_STARTS)
    return f"'{value}" if is_formula else value
