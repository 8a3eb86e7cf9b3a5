"""Writes `deploy/prometheus/rules.yml` and `deploy/grafana/dashboard.json`: `python -m deploy.generate`.

With `--check`, it writes nothing: it prints the names of files that are not current, and exits with 1.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.generate.dashboard import render_dashboard
from deploy.generate.rules import render_rules
from docs.generate import writing

FOLDER: Final = Path(__file__).parents[1]


def render_files() -> dict[Path, str]:
    """The content of each generated file."""
    return {
        FOLDER / "prometheus" / "rules.yml": render_rules(),
        FOLDER / "grafana" / "dashboard.json": render_dashboard(),
    }


def find_stale() -> list[Path]:
    """The files that are missing or not current."""
    return writing.find_stale(render_files())


def main(arguments: Sequence[str]) -> int:
    """Run the command. Returns its exit code."""
    return writing.run(render_files(), arguments, "deploy")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
