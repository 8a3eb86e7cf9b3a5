"""Writes `deploy/prometheus/rules.yml` and `deploy/grafana/dashboard.json`: `python -m deploy.generate`.

With `--check`, it writes nothing: it prints the names of files that are not current, and exits with 1.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.generate.dashboard import render_dashboard
from deploy.generate.rules import render_rules

FOLDER: Final = Path(__file__).parents[1]


def render_files() -> dict[Path, str]:
    """The content of each generated file."""
    return {
        FOLDER / "prometheus" / "rules.yml": render_rules(),
        FOLDER / "grafana" / "dashboard.json": render_dashboard(),
    }


def find_stale() -> list[Path]:
    """The files that are missing or not current."""
    return [
        path
        for path, content in render_files().items()
        if not path.is_file() or path.read_text() != content
    ]


def main(arguments: Sequence[str]) -> int:
    """Run the command. Returns its exit code."""
    stale = find_stale()
    if "--check" in arguments:
        for path in stale:
            print(f"{path}: is not current; run make deploy")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(render_files()[path])
        print(f"{path}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
