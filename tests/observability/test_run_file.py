"""Run files: which workers run, and where they listen."""

import json
import os
from pathlib import Path

import pytest

from streams.observability import run_file


def test_the_file_exists_while_the_worker_listens(tmp_path: Path) -> None:
    """It exists from the moment at which the worker listens to its end."""
    file = tmp_path / "run" / "sender-main.json"
    with run_file.managed_run_file(tmp_path, "sender-main") as say:
        assert not file.exists()
        say("http://127.0.0.1:4711")
        assert json.loads(file.read_text()) == {
            "name": "sender-main",
            "pid": os.getpid(),
            "web": "http://127.0.0.1:4711",
        }
        assert list(file.parent.iterdir()) == [file]
    assert not file.exists()


def fail_while_listening(data_dir: Path) -> None:
    with run_file.managed_run_file(data_dir, "sender-main") as say:
        say("http://127.0.0.1:4711")
        raise RuntimeError


def test_a_bad_end_leaves_no_file_either(tmp_path: Path) -> None:
    """Only a kill leaves one, and then its pid shows that the worker is dead."""
    with pytest.raises(RuntimeError):
        fail_while_listening(tmp_path)
    assert list((tmp_path / "run").iterdir()) == []


def test_the_file_of_a_successor_is_not_removed(tmp_path: Path) -> None:
    """A worker that was replaced while it ended removes nothing."""
    file = tmp_path / "run" / "sandbox.json"
    with run_file.managed_run_file(tmp_path, "sandbox") as say:
        say("http://127.0.0.1:1")
        file.write_text(json.dumps({"name": "sandbox", "pid": os.getpid() + 1, "web": "x"}))
    assert file.exists()


def test_a_worker_that_never_listened_leaves_nothing(tmp_path: Path) -> None:
    """It does not even leave a folder."""
    with run_file.managed_run_file(tmp_path, "sandbox"):
        pass
    assert list(tmp_path.iterdir()) == []
