"""What a release contains: the sdist gives the same wheel, and the bill of materials names what is installed.

`make release` also installs both into empty environments, which takes minutes and needs the package registry.
"""

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from deploy import release
from tests.packaging.distribution import ROOT


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of this tree."""
    _, sdist = release.build_distributions(tmp_path_factory.mktemp("release"))
    return sdist


def test_the_sdist_gives_the_same_wheel(
    sdist: Path, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file, byte for byte, except the list of the files."""
    monkeypatch.setattr(release, "FOLDER", tmp_path)
    with zipfile.ZipFile(release.rebuild(sdist)) as rebuilt, zipfile.ZipFile(wheel) as built:
        assert sorted(rebuilt.namelist()) == sorted(built.namelist())
        for name in built.namelist():
            assert rebuilt.read(name) == built.read(name), name


def test_the_sdist_has_the_documents_and_nothing_that_was_fetched(
    sdist: Path, tmp_path: Path
) -> None:
    """A reader of the source finds the same pages."""
    shutil.unpack_archive(sdist, tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert source.name == f"wa_streams-{release.read_version()}"
    for name in ("LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md", "docs/contract.md"):
        assert (source / name).read_bytes() == (ROOT / name).read_bytes()
    assert not [path for path in source.rglob("*") if path.name in ("node_modules", ".venv")]


def test_the_bill_of_materials_names_each_package(tmp_path: Path) -> None:
    """Of this environment, which has more than a release; each component has a version."""
    if not (release.TOOLS / "cyclonedx-py").is_file():
        reason = "the tool for bills of materials is not installed; run make tools"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    materials = release.write_materials(Path(sys.executable), tmp_path / "bill.json")
    release.check_materials(materials)
    assert materials["bomFormat"] == "CycloneDX"
    assert all(component["version"] for component in materials["components"])
    assert str(ROOT) not in json.dumps(materials)


def test_a_bill_without_a_package_is_refused() -> None:
    """Otherwise an empty one would pass."""
    materials = {"metadata": {"component": {"name": "wa-streams"}}, "components": []}
    with pytest.raises(release.ReleaseFailed, match="lacks aiokafka"):
        release.check_materials(materials)


def test_the_changelog_has_a_section_for_the_version() -> None:
    """A release without a word about it is refused here."""
    sections = [
        line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line[:3] == "## "
    ]
    assert sections[0].startswith(f"## {release.read_version()}") or sections[0] == "## Unreleased"
    assert any(section.startswith(f"## {release.read_version()}") for section in sections)
