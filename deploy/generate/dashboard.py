"""The Grafana dashboard as JSON, from the table of panels. Every query uses the data source that the viewer chooses."""

import json
from typing import Any, Final

from deploy.generate.panels import ROWS, Panel

_DATA_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS: Final = 24  # Grafana's grid
_HEIGHTS: Final = {"stat": 4, "timeseries": 8}
_WIDTHS: Final = {"stat": 4, "timeseries": 12}


def render_dashboard() -> str:
    """The content of the file, which Grafana imports or reads as provisioned."""
    document = {
        "uid": "wa-streams",
        "title": "wa-streams",
        "description": "WhatsApp messages requested through Kafka",
        "tags": ["wa-streams"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                }
            ]
        },
        "panels": _lay_out(),
    }
    return f"{json.dumps(document, indent=1)}\n"


def _lay_out() -> list[dict[str, Any]]:
    """From left to right, then down; each row has a title."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, members in ROWS.items():
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": y, "w": _COLUMNS, "h": 1},
            }
        )
        y += 1
        x = 0
        for panel in members:
            width, height = _WIDTHS[panel.kind], _HEIGHTS[panel.kind]
            if x + width > _COLUMNS:
                x, y = 0, y + height
            position = {"x": x, "y": y, "w": width, "h": height}
            panels.append(_render_panel(panel, len(panels) + 1, position))
            x += width
        y += _HEIGHTS[members[-1].kind]
    return panels


def _render_panel(panel: Panel, number: int, position: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": _DATA_SOURCE,
        "gridPos": position,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _DATA_SOURCE,
                "expr": query,
                "legendFormat": legend,
            }
            for index, (query, legend) in enumerate(panel.queries.items())
        ],
    }
