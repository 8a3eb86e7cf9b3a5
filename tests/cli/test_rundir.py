"""What runs on a data folder."""

import os
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from streams.cli import rundir
from streams.cli.errors import Wrong
from streams.settings import Settings, load


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A data folder that does not exist yet."""
    return load({"WA_CONFIG": ""}, data_dir=tmp_path / "data")


def picture(settings: Settings) -> rundir.Picture:
    """Of an `up` that is this process."""
    part = rundir.ShownPart("kafka-1", 7, "ready", 1)
    return replace(
        rundir.nothing(settings),
        kafka="127.0.0.1:9092",
        parts=[part],
        pid=os.getpid(),
        since=rundir.own_start(),
    )


def test_only_one_up_at_a_time(settings: Settings) -> None:
    """The second is told who the first is; after the end another may come."""
    with rundir.claimed(settings):
        rundir.publish(settings, picture(settings))
        with (
            pytest.raises(Wrong, match=f"pid {os.getpid()}.*WA_DATA_DIR"),
            rundir.claimed(settings),
        ):
            raise AssertionError("two at a time")
        assert rundir.running(settings) == picture(settings)
    assert rundir.running(settings) is None
    with rundir.claimed(settings):
        pass


def test_an_up_that_was_killed_is_no_up(settings: Settings) -> None:
    """Its file stays, its process does not; nor is a later process of the same number taken for it."""
    rundir.folder(settings).mkdir(parents=True)
    gone = subprocess.Popen(["true"])
    gone.wait()
    rundir.publish(settings, replace(picture(settings), pid=gone.pid))
    assert rundir.running(settings) is None
    rundir.publish(settings, replace(picture(settings), since=rundir.own_start() - 60))
    assert rundir.running(settings) is None


def test_kafka_is_what_is_set_else_what_runs_here(settings: Settings) -> None:
    """A setting wins; without either it is said what to do."""
    with pytest.raises(Wrong, match="WA_KAFKA"):
        rundir.connected(settings)
    with rundir.claimed(settings):
        rundir.publish(settings, picture(settings))
        assert rundir.connected(settings).kafka == "127.0.0.1:9092"
        named = load({"WA_CONFIG": ""}, data_dir=settings.data_dir, kafka="elsewhere:1")
        assert rundir.connected(named).kafka == "elsewhere:1"


def test_a_folder_that_cannot_be_written_is_told() -> None:
    """With the variable that names it."""
    settings = load({"WA_CONFIG": ""}, data_dir="/proc/none")
    with pytest.raises(Wrong, match="WA_DATA_DIR=/proc/none"), rundir.claimed(settings):
        raise AssertionError("it was written")
