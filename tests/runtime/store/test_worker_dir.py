"""Whose folder it is: a copy is noticed, the same volume under another host name is not a copy."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from streams.runtime import worker_dir
from streams.runtime.worker_dir import WorkerDir
from streams.settings import Settings, load


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({"WA_CONFIG": ""}, data_dir=tmp_path)


def acquire_and_release(settings: Settings, name: str) -> WorkerDir:
    """A worker that has ended regularly, and has a table."""
    directory = worker_dir.acquire(settings, name)
    (directory.path / "v1").mkdir(exist_ok=True)
    directory.release()
    return directory


def test_a_worker_comes_back_with_its_tables(settings: Settings):
    """Nothing is rebuilt at an ordinary restart."""
    first = acquire_and_release(settings, "dispatch-1")
    again = worker_dir.acquire(settings, "dispatch-1")
    assert again.member_id == first.member_id
    assert (again.path / "v1").exists()


def test_a_folder_that_was_copied_under_another_name_is_another_member(
    settings: Settings, caplog: pytest.LogCaptureFixture
):
    """Two members with one id would evict each other; and the tables of the copy are old."""
    first = acquire_and_release(settings, "dispatch-1")
    shutil.copytree(first.path, first.path.with_name("dispatch-2"))
    copy = worker_dir.acquire(settings, "dispatch-2")
    assert copy.member_id != first.member_id
    assert copy.member_id.startswith("dispatch-2-")
    assert not (copy.path / "v1").exists()
    [line] = caplog.messages
    assert "is a copy of the folder of worker dispatch-1" in line
    original = worker_dir.acquire(settings, "dispatch-1")
    assert original.member_id == first.member_id
    assert (original.path / "v1").exists()


def test_a_data_folder_that_was_copied_is_another_member(settings: Settings, tmp_path: Path):
    """As on another host, or out of a backup."""
    first = acquire_and_release(settings, "dispatch-1")
    other_folder = tmp_path / "elsewhere"
    shutil.copytree(settings.data_dir / "tables", other_folder / "tables")
    copy = worker_dir.acquire(load({"WA_CONFIG": ""}, data_dir=other_folder), "dispatch-1")
    assert copy.member_id != first.member_id
    assert not (copy.path / "v1").exists()


def test_the_same_volume_on_a_host_of_another_name_goes_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    """As in a new container. It may be a copy of the whole disk, so it waits for a predecessor."""
    first = acquire_and_release(settings, "dispatch-1")
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    again = acquire_and_release(settings, "dispatch-1")
    assert again.member_id == first.member_id
    assert again.has_predecessor
    assert (again.path / "v1").exists()
    assert not worker_dir.acquire(settings, "dispatch-1").has_predecessor


def expel(directory: WorkerDir) -> None:
    """What the fence does before it ends the process."""
    directory.on_expelled()
    directory._lock.release()


def test_a_member_that_is_expelled_twice_becomes_another_one(settings: Settings):
    """Two clones of a disk have one id. One expulsion is ordinary: the process was suspended."""
    first = worker_dir.acquire(settings, "dispatch-1")
    expel(first)
    second = worker_dir.acquire(settings, "dispatch-1")
    assert second.member_id == first.member_id
    expel(second)
    third = worker_dir.acquire(settings, "dispatch-1")
    assert third.member_id != first.member_id
    assert not third.has_predecessor


def test_expulsions_far_apart_change_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """The broker was away now and then."""
    first = worker_dir.acquire(settings, "dispatch-1")
    expel(first)
    monkeypatch.setattr(worker_dir, "_EXPELLED_AGAIN_S", 0.0)
    expel(worker_dir.acquire(settings, "dispatch-1"))
    assert worker_dir.acquire(settings, "dispatch-1").member_id == first.member_id


def test_a_file_of_the_owner_that_is_damaged_is_written_again(settings: Settings):
    """The worker starts under a new id."""
    first = acquire_and_release(settings, "dispatch-1")
    (first.path / "member").write_bytes(os.urandom(10))
    assert worker_dir.acquire(settings, "dispatch-1").member_id != first.member_id
