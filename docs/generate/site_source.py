"""Copies what the documents' site shows into one folder: `python -m docs.generate.site_source FOLDER`.

The folder has the repository's layout, so that a link works on the site as it works on GitHub: pages are in `docs/`, in
the root and beside the benchmarks, and link each other and other files with relative paths. The folder is replaced.
"""

import shutil
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = ("*.md", "docs/**/*.md", "benchmarks/README.md", "examples/**/*.md")
# What pages link to and a reader wants to see.
ATTACHMENTS: Final = (
    "LICENSE",
    "Dockerfile",
    "docker-compose.kafka.yml",
    "pyproject.toml",
    "docs/**/*.svg",
    "docs/**/*.png",
    "schemas/*.json",
    "deploy/**/*.*",
    "examples/**/*.*",
    "tests/examples/*.py",
)
_NOT_OURS: Final = {"node_modules", "__pycache__", "dist"}


def find_files() -> list[Path]:
    """The files of the site, relative to the repository."""
    found = {path for pattern in (*PAGES, *ATTACHMENTS) for path in ROOT.glob(pattern)}
    files = sorted(path.relative_to(ROOT) for path in found if path.is_file())
    return [path for path in files if not _NOT_OURS & set(path.parts)]


def copy_files(folder: Path) -> None:
    """Replace the folder by a copy of the files."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in find_files():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, target)


if __name__ == "__main__":
    copy_files(Path(sys.argv[1]))
