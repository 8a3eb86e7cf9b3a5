"""The data folder is closed to other users, and nothing else is."""

import stat
from pathlib import Path

import pytest

from streams.system.private_files import tighten_folder

OWN_NAMES = ("logs", "tables")


def read_mode(path: Path) -> int:
    """The permission bits of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder of an earlier version, which other users can read."""
    folder = tmp_path / "data"
    log = folder / "logs" / "deep" / "sender.log"
    log.parent.mkdir(parents=True)
    log.write_text("log")
    for path in (folder, folder / "logs", log.parent):
        path.chmod(0o755)
    log.chmod(0o644)
    return folder


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    """It is created for its owner only, and there is nothing to report."""
    lines: list[str] = []
    tighten_folder(tmp_path / "new" / "data", OWN_NAMES, lines.append)
    assert (read_mode(tmp_path / "new" / "data"), lines) == (0o700, [])


def test_an_open_folder_is_closed_and_reported_once(data_dir: Path) -> None:
    """Everything in it loses the permissions of others; the next start finds nothing to do."""
    lines: list[str] = []
    tighten_folder(data_dir, OWN_NAMES, lines.append)
    assert {path: read_mode(path) for path in (data_dir, *data_dir.rglob("*"))} == {
        data_dir: 0o700,
        data_dir / "logs": 0o700,
        data_dir / "logs" / "deep": 0o700,
        data_dir / "logs" / "deep" / "sender.log": 0o600,
    }
    tighten_folder(data_dir, OWN_NAMES, lines.append)
    (line,) = lines
    assert "4 files and folders" in line and str(data_dir) in line


def test_what_is_not_ours_stays_as_it_is(data_dir: Path) -> None:
    """A folder that holds other things stays open; only our own entries are closed."""
    other = data_dir / "holiday.jpg"
    other.write_text("picture")
    other.chmod(0o644)
    for _ in range(2):
        tighten_folder(data_dir, OWN_NAMES, lambda line: None)
    assert (read_mode(data_dir), read_mode(other)) == (0o755, 0o644)
    assert read_mode(data_dir / "logs") == 0o700
    assert read_mode(data_dir / "logs" / "deep" / "sender.log") == 0o600


def test_a_shared_folder_such_as_tmp_stays_open(tmp_path: Path) -> None:
    """All programs need it, also when it is empty."""
    tmp_path.chmod(0o1777)
    tighten_folder(tmp_path, OWN_NAMES, lambda line: None)
    assert read_mode(tmp_path) == 0o1777


def test_a_link_is_not_followed(data_dir: Path, tmp_path: Path) -> None:
    """What a link in the folder leads to belongs to somebody else."""
    outside = tmp_path / "outside"
    outside.mkdir()
    outside.chmod(0o755)
    (data_dir / "logs" / "link").symlink_to(outside)
    (data_dir / "tables").symlink_to(outside)
    tighten_folder(data_dir, OWN_NAMES, lambda line: None)
    assert read_mode(outside) == 0o755
