"""The jars are fetched once, by the first process that needs them, and only those of the lock file.

A web server on the loopback stands for Maven Central, with the jars of the session's broker.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.embedded_kafka import jars
from tests.support.kafka.maven import Central


@pytest.fixture
def central() -> Iterator[Central]:
    """A repository that contains what the session's broker consists of."""
    with Central(jars.install()) as central:
        yield central


@pytest.fixture
def setup(central: Central, tmp_path: Path) -> Callable[[], "subprocess.Popen[str]"]:
    """`python -m streams.embedded_kafka.jars` on an empty cache."""
    environ = (
        os.environ
        | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        | central.variables(tmp_path / "jgo.conf")
    )

    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "streams.embedded_kafka.jars"],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def _cached(tmp_path: Path) -> set[str]:
    return {
        jar.name for jar in (tmp_path / "cache" / "wa-streams" / jars.jars_dir().name).iterdir()
    }


def test_the_lock_names_every_jar_once_with_its_hash() -> None:
    """It has no registry address, no jar without a hash, and no two files of the same name."""
    locked = jars.read_lock_file()
    assert len({jar.file_name for jar in locked}) == len(locked) > 30
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in locked)
    assert f"kafka_2.13-{jars.VERSION}.jar" in {jar.file_name for jar in locked}
    assert "://" not in jars.LOCK_FILE.read_text()


def test_the_installed_jars_are_the_locked_ones() -> None:
    """The broker of these tests runs on exactly the jars of the lock file."""
    folder = jars.install()
    assert {jar.file_name: jar.sha256 for jar in jars.read_lock_file()} == {
        file.name: jars.sha256_of(file) for file in folder.iterdir()
    }


def test_two_processes_fetch_once(
    setup: Callable[[], "subprocess.Popen[str]"], central: Central, tmp_path: Path
) -> None:
    """The second waits, reports that, and then has nothing to do."""
    central.paused_jar = jars.read_lock_file()[0].file_name
    first = setup()
    assert central.is_halfway.wait(60)
    second = setup()
    assert second.stdout is not None
    assert "waiting" in second.stdout.readline()
    central.resume.set()
    output, _ = first.communicate()
    assert (first.returncode, second.wait()) == (0, 0)
    names = {jar.file_name for jar in jars.read_lock_file()}
    assert _cached(tmp_path) == names
    assert all(central.requests[name] == 1 for name in names)
    assert f"{len(names)} of {len(names)} jars" in output


def test_a_killed_fetch_is_continued(
    setup: Callable[[], "subprocess.Popen[str]"], central: Central, tmp_path: Path
) -> None:
    """A jar of which half arrived is fetched again, and never taken for a complete one."""
    partial = jars.read_lock_file()[-1].file_name
    central.paused_jar = partial
    killed = setup()
    assert central.is_halfway.wait(60)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    central.resume.set()
    again = setup()
    _, error_text = again.communicate()
    assert again.returncode == 0, error_text
    assert _cached(tmp_path) == {jar.file_name for jar in jars.read_lock_file()}
    assert central.requests[partial] > 1
    assert not list((tmp_path / "cache" / "wa-streams").glob("*.part"))


def test_a_jar_with_other_bytes_is_refused(
    setup: Callable[[], "subprocess.Popen[str]"], central: Central, tmp_path: Path
) -> None:
    """It is fetched again once; if it is wrong again, the error names the jar and says what to do."""
    once, always = (jar.file_name for jar in jars.read_lock_file()[:2])
    central.corrupt = {once: 1, always: 99}
    refused = setup()
    output, error_text = refused.communicate()
    assert refused.returncode == 1
    assert (
        always in error_text
        and "SHA-256" in error_text
        and "WA_KAFKA_BOOTSTRAP_SERVERS" in error_text
    )
    assert error_text.count("\n") == 1 and "Traceback" not in output + error_text
    central.corrupt = {}
    repaired = setup()
    repaired.communicate()
    assert repaired.returncode == 0
    assert once in _cached(tmp_path)
    assert central.requests[once] == 2


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line names the folder and the variable to set."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(
        jars.JarsMissing, match=r"file/wa-streams cannot be written.*XDG_CACHE_HOME"
    ):
        jars.install()
