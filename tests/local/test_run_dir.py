"""The run folder: one `up` at a time, and its status."""

import os
import subprocess
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from streams.local import run_dir
from streams.local.status import ServiceStatus, StackStatus, make_empty_status
from streams.operations.errors import UsageError
from streams.settings import Settings, load


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A data folder that does not exist yet."""
    return load({"WA_CONFIG": ""}, data_dir=tmp_path / "data")


def status_of_this_process(settings: Settings) -> StackStatus:
    """The status of an `up` that is this process."""
    service = ServiceStatus("kafka-1", 7, "ready", 1)
    return replace(
        make_empty_status(settings),
        kafka="127.0.0.1:9092",
        parts=[service],
        pid=os.getpid(),
        since=psutil.Process().create_time(),
    )


def test_only_one_up_at_a_time(settings: Settings) -> None:
    """The error of a second one names the first; after its end another one may start."""
    with run_dir.hold_lock(settings):
        run_dir.publish(settings, status_of_this_process(settings))
        with (
            pytest.raises(UsageError, match=f"pid {os.getpid()}.*WA_DATA_DIR"),
            run_dir.hold_lock(settings),
        ):
            raise AssertionError("two at a time")
        assert run_dir.read_running_status(settings) == status_of_this_process(settings)
    assert run_dir.read_running_status(settings) is None
    with run_dir.hold_lock(settings):
        pass


def test_the_status_of_a_killed_up_is_not_believed(settings: Settings) -> None:
    """Its file stays, and a later process with the same pid is not mistaken for it."""
    run_dir.get_path(settings).mkdir(parents=True)
    ended = subprocess.Popen(["true"])
    ended.wait()
    run_dir.publish(settings, replace(status_of_this_process(settings), pid=ended.pid))
    assert run_dir.read_running_status(settings) is None
    run_dir.publish(
        settings,
        replace(status_of_this_process(settings), since=psutil.Process().create_time() - 60),
    )
    assert run_dir.read_running_status(settings) is None


def test_a_configured_kafka_comes_before_the_running_one(settings: Settings) -> None:
    """Without either, the error says what to do."""
    with pytest.raises(UsageError, match="WA_KAFKA_BOOTSTRAP_SERVERS"):
        run_dir.resolve_kafka(settings)
    with run_dir.hold_lock(settings):
        run_dir.publish(settings, status_of_this_process(settings))
        assert run_dir.resolve_kafka(settings).kafka_bootstrap_servers == "127.0.0.1:9092"
        named = load(
            {"WA_CONFIG": ""}, data_dir=settings.data_dir, kafka_bootstrap_servers="elsewhere:1"
        )
        assert run_dir.resolve_kafka(named).kafka_bootstrap_servers == "elsewhere:1"


def test_an_unwritable_folder_is_a_usage_error() -> None:
    """The error names the variable."""
    settings = load({"WA_CONFIG": ""}, data_dir="/proc/none")
    with pytest.raises(UsageError, match="WA_DATA_DIR=/proc/none"), run_dir.hold_lock(settings):
        raise AssertionError("it was written")
