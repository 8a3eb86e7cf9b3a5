"""Writes `docs/reference/` and the pictures of `docs/images/` from the code, and the console's copy of the runbook.

`python -m docs.generate` writes them.

With `--check`, it writes nothing: it prints the names of pages that are not current, and exits with 1. The pages are
never edited by hand. What a person has to explain stands on the other pages.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from docs.generate import writing
from docs.generate.codes import render_codes
from docs.generate.commands import render_commands
from docs.generate.metrics import render_metrics
from docs.generate.pictures import render_architecture, render_deployment
from docs.generate.records import render_records
from docs.generate.runbook import render_runbook
from docs.generate.topics import render_topics

FOLDER: Final = Path(__file__).parents[1] / "reference"
CONSOLE: Final = Path(__file__).parents[2] / "streams" / "console" / "web"
IMAGES: Final = Path(__file__).parents[1] / "images"


def render_pages() -> dict[Path, str]:
    """The text of each generated page."""
    return {
        FOLDER / "commands.md": render_commands(),
        FOLDER / "codes.md": render_codes(),
        FOLDER / "metrics.md": render_metrics(),
        FOLDER / "records.md": render_records(),
        FOLDER / "topics.md": render_topics(),
        CONSOLE / "runbook.md": render_runbook(),
        IMAGES / "architecture.svg": render_architecture(),
        IMAGES / "deployment.svg": render_deployment(),
    }


def find_stale() -> list[Path]:
    """The pages that are missing or not current."""
    return writing.find_stale(render_pages())


def main(arguments: Sequence[str]) -> int:
    """Run the command. Returns its exit code."""
    return writing.run(render_pages(), arguments, "docs")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
