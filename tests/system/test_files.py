"""`write_atomic`: the file is replaced as a whole or not at all."""

import os
import threading
from pathlib import Path

import pytest

from streams.system.files import write_atomic


@pytest.mark.parametrize("is_durable", [False, True])
def test_the_content_is_replaced(tmp_path: Path, is_durable: bool) -> None:
    """The new content is read afterwards, and nothing else is in the folder."""
    file = tmp_path / "state.json"
    write_atomic(file, b"old", is_durable=is_durable)
    write_atomic(file, b"new", is_durable=is_durable)
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    """While the file is replaced, every read gives a whole content, the old or the new."""
    file = tmp_path / "state"
    contents = [bytes([letter]) * 1_000_000 for letter in b"ab"]
    write_atomic(file, contents[0])

    def write_many() -> None:
        for number in range(50):
            write_atomic(file, contents[number % 2])

    writer = threading.Thread(target=write_many)
    writer.start()
    while writer.is_alive():
        assert file.read_bytes() in contents
    writer.join()


def test_a_failed_write_changes_nothing(tmp_path: Path) -> None:
    """The error is raised, and no temporary file is left."""
    target = tmp_path / "folder"
    target.mkdir()
    (target / "child").touch()
    with pytest.raises(OSError, match="irectory"):
        write_atomic(target, b"content")
    assert list(tmp_path.iterdir()) == [target]


def test_the_mode_is_the_callers(tmp_path: Path) -> None:
    """A private key is readable by its owner alone, at every moment."""
    file = tmp_path / "key.pem"
    write_atomic(file, b"secret", mode=0o600)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_temporary_file_of_a_killed_process_is_no_obstacle(tmp_path: Path) -> None:
    """A later process with the same pid removes it."""
    (tmp_path / f"state.{os.getpid()}.new").write_bytes(b"part")
    write_atomic(tmp_path / "state", b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
