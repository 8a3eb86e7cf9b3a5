"""What runs on a data folder."""

import os
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from streams.local import run_dir
from streams.operations.errors import UsageError
from streams.settings import Settings, load


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A data folder that does not exist yet."""
    return load({"WA_CONFIG": ""}, data_dir=tmp_path / "data")


def picture(settings: Settings) -> run_dir.StackStatus:
    """Of an `up` that is this process."""
    part = run_dir.ServiceStatus("kafka-1", 7, "ready", 1)
    return replace(
        run_dir.make_empty_status(settings),
        kafka="127.0.0.1:9092",
        parts=[part],
        pid=os.getpid(),
        since=run_dir.get_own_start_s(),
    )


def test_only_one_up_at_a_time(settings: Settings) -> None:
    """The second is told who the first is; after the end another may come."""
    with run_dir.hold_lock(settings):
        run_dir.publish(settings, picture(settings))
        with (
            pytest.raises(UsageError, match=f"pid {os.getpid()}.*WA_DATA_DIR"),
            run_dir.hold_lock(settings),
        ):
            raise AssertionError("two at a time")
        assert run_dir.read_running_status(settings) == picture(settings)
    assert run_dir.read_running_status(settings) is None
    with run_dir.hold_lock(settings):
        pass


def test_an_up_that_was_killed_is_no_up(settings: Settings) -> None:
    """Its file stays, its process does not; nor is a later process of the same number taken for it."""
    run_dir.get_path(settings).mkdir(parents=True)
    gone = subprocess.Popen(["true"])
    gone.wait()
    run_dir.publish(settings, replace(picture(settings), pid=gone.pid))
    assert run_dir.read_running_status(settings) is None
    run_dir.publish(settings, replace(picture(settings), since=run_dir.get_own_start_s() - 60))
    assert run_dir.read_running_status(settings) is None


def test_kafka_is_what_is_set_else_what_runs_here(settings: Settings) -> None:
    """A setting wins; without either it is said what to do."""
    with pytest.raises(UsageError, match="WA_KAFKA_BOOTSTRAP_SERVERS"):
        run_dir.resolve_kafka(settings)
    with run_dir.hold_lock(settings):
        run_dir.publish(settings, picture(settings))
        assert run_dir.resolve_kafka(settings).kafka_bootstrap_servers == "127.0.0.1:9092"
        named = load(
            {"WA_CONFIG": ""}, data_dir=settings.data_dir, kafka_bootstrap_servers="elsewhere:1"
        )
        assert run_dir.resolve_kafka(named).kafka_bootstrap_servers == "elsewhere:1"


def test_a_folder_that_cannot_be_written_is_told() -> None:
    """With the variable that names it."""
    settings = load({"WA_CONFIG": ""}, data_dir="/proc/none")
    with pytest.raises(UsageError, match="WA_DATA_DIR=/proc/none"), run_dir.hold_lock(settings):
        raise AssertionError("it was written")
