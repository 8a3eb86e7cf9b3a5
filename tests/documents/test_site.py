"""The documents' site: it is built without a broken link, and its reference is that of the code.

`make tools` installs the builder; these tests install nothing. If it is missing, its test is skipped, or fails if CI is
true.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from docs.generate import __main__ as generate
from docs.generate import drawing, site_source
from docs.generate.records import render_records

ROOT = Path(__file__).parents[2]
BUILDER = ROOT / ".tools" / "venv" / "bin" / "zensical"
BUILD_TIMEOUT_S = 300
MAX_PICTURE_BYTES = 60_000
CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text())


def build_site(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Build the site from a copy in this folder."""
    if not BUILDER.is_file():
        reason = "the builder of the documents is not installed; run make tools"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    (folder / "mkdocs.yml").write_text((ROOT / "mkdocs.yml").read_text())
    return subprocess.run(
        [str(BUILDER), "build", "--strict", "--clean"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
    )


def test_the_reference_is_current() -> None:
    """`make docs` writes it."""
    assert generate.find_stale() == []
    assert generate.main(["--check"]) == 0


def test_each_field_of_a_record_has_a_meaning() -> None:
    """Where the type of the record defines it, so that the JSON Schema has it too."""
    rows = [line for line in render_records().splitlines() if re.match(r"\| \**`", line)]
    assert len(rows) > 100
    assert [row for row in rows if not row.split(" | ", 2)[2].strip(" |")] == []


def test_the_site_has_no_broken_link(tmp_path: Path) -> None:
    """Each page and each anchor that a page links to exists."""
    site_source.copy_files(tmp_path / CONFIG["docs_dir"])
    run = build_site(tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    built = (tmp_path / CONFIG["site_dir"] / "docs" / "contract" / "index.html").read_text()
    assert "wa.outbound" in built


def test_a_broken_link_ends_the_build(tmp_path: Path) -> None:
    """Otherwise the test above would show nothing."""
    source = tmp_path / CONFIG["docs_dir"]
    source.mkdir(parents=True)
    (source / "README.md").write_text("# Home\n\n[a](nowhere.md)\n")
    run = build_site(tmp_path)
    assert run.returncode != 0
    assert "page does not exist" in re.sub(r"\x1b\[[0-9;]*m", "", run.stdout + run.stderr)


def test_each_page_is_in_the_navigation() -> None:
    """Each once, so that a reader finds it."""
    listed = list(pages_of(CONFIG["nav"]))
    pages = [str(path) for path in site_source.find_files() if path.suffix == ".md"]
    assert sorted(listed) == sorted(pages)


def test_a_text_that_is_wider_than_its_box_is_not_drawn() -> None:
    """It would cross the border."""
    assert "wa.internal.phone" in drawing.box("topic", (0, 0), (170, 40), "wa.internal.phone")
    with pytest.raises(ValueError, match="needs a box of"):
        drawing.box("topic", (0, 0), (140, 40), "wa.internal.phone")


def test_pictures_are_small_and_shown() -> None:
    """`make screenshots` takes those of the console. A picture that no page shows is removed."""
    pages = [ROOT / path for path in site_source.find_files() if path.suffix == ".md"]
    text = "".join(page.read_text() for page in pages)
    pictures = list((ROOT / "docs" / "images").iterdir())
    assert len(pictures) <= 8
    for picture in pictures:
        assert picture.stat().st_size <= MAX_PICTURE_BYTES, picture.name
        assert f"images/{picture.name}" in text, picture.name


def pages_of(entry: object) -> list[str]:
    """The pages of a part of the navigation."""
    if isinstance(entry, str):
        return [entry]
    children = entry.values() if isinstance(entry, dict) else entry
    assert not isinstance(children, (str, bytes))
    return [page for child in children for page in pages_of(child)]  # type: ignore[union-attr]
