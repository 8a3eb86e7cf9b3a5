"""The jars: fetched once, by the first process, and only those of the lock file.

A web server on the loopback stands for Maven Central, with the jars of the session's broker.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from streams.embedded_kafka import jars


class Central:
    """A Maven repository that can be made to misbehave for one jar."""

    def __init__(self, folder: Path) -> None:
        self.requests: Counter[str] = Counter()
        self.bad: dict[str, int] = {}  # jar: how often it comes with wrong bytes
        self.hold = threading.Event()
        self.held: str | None = None  # this jar comes in half, and no further until `hold`
        self.halfway = threading.Event()
        central = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                central.requests[name] += 1
                if not name.endswith(".jar"):
                    self.send_error(404)
                    return
                body = central.body(name, (folder / name).read_bytes())
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2])
                if name == central.held:
                    self.wfile.flush()
                    central.halfway.set()
                    central.hold.wait()
                self.wfile.write(body[len(body) // 2 :])

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def body(self, name: str, right: bytes) -> bytes:
        """The right bytes, unless wrong ones are due."""
        if self.bad.get(name, 0) <= 0:
            return right
        self.bad[name] -= 1
        return b"x" * len(right)


@pytest.fixture
def central() -> Iterator[Central]:
    """A repository that has what the session's broker was made of."""
    central = Central(jars.install())
    serving = threading.Thread(target=central.server.serve_forever)
    serving.start()
    yield central
    central.hold.set()
    central.server.shutdown()
    serving.join()
    central.server.server_close()


@pytest.fixture
def setup(central: Central, tmp_path: Path) -> Callable[[], "subprocess.Popen[str]"]:
    """`python -m streams.embedded_kafka.jars` on an empty cache, as `make setup` runs it."""
    config = tmp_path / "jgo.conf"
    config.write_text(f"[repositories]\ncentral = {central.url}\n")
    environ = os.environ | {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "JGO_CONFIG_FILE": str(config),
        "NO_PROXY": "127.0.0.1",
    }

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


def test_the_lock_file_names_every_jar_once_with_its_hash() -> None:
    """It has no address of a registry, no jar without a hash, and no file name twice."""
    locked = jars.read_lock_file()
    assert len({jar.file_name for jar in locked}) == len(locked) > 30
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in locked)
    assert f"kafka_2.13-{jars.VERSION}.jar" in {jar.file_name for jar in locked}
    assert "://" not in jars.LOCK_FILE.read_text()


def test_the_installed_jars_are_the_locked_ones() -> None:
    """The broker of these tests runs on exactly the jars of the lock file."""
    there = jars.install()
    assert {jar.file_name: jar.sha256 for jar in jars.read_lock_file()} == {
        file.name: jars.sha256_of(file) for file in there.iterdir()
    }


def test_two_setups_at_once_fetch_once(
    setup: Callable[[], "subprocess.Popen[str]"], central: Central, tmp_path: Path
) -> None:
    """The second waits and says so, and has nothing to do then."""
    central.held = jars.read_lock_file()[0].file_name
    first = setup()
    assert central.halfway.wait(60)
    second = setup()
    assert second.stdout is not None
    assert "waiting" in second.stdout.readline()
    central.hold.set()
    output, _ = first.communicate()
    assert (first.returncode, second.wait()) == (0, 0)
    names = {jar.file_name for jar in jars.read_lock_file()}
    assert _cached(tmp_path) == names
    assert all(central.requests[name] == 1 for name in names)
    assert f"{len(names)} of {len(names)} jars" in output


def test_an_interrupted_setup_is_continued(
    setup: Callable[[], "subprocess.Popen[str]"], central: Central, tmp_path: Path
) -> None:
    """A jar that arrived in half is fetched again, and never taken for a whole one."""
    half = jars.read_lock_file()[-1].file_name
    central.held = half
    killed = setup()
    assert central.halfway.wait(60)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    central.hold.set()
    again = setup()
    _, errors = again.communicate()
    assert again.returncode == 0, errors
    assert _cached(tmp_path) == {jar.file_name for jar in jars.read_lock_file()}
    assert central.requests[half] > 1
    assert not list((tmp_path / "cache" / "wa-streams").glob("*.part"))


def test_a_jar_with_other_bytes_is_refused(
    setup: Callable[[], "subprocess.Popen[str]"], central: Central, tmp_path: Path
) -> None:
    """Once is an accident and is retried; always is an error that names the jar and the remedy."""
    once, always = (jar.file_name for jar in jars.read_lock_file()[:2])
    central.bad = {once: 1, always: 99}
    refused = setup()
    output, errors = refused.communicate()
    assert refused.returncode == 1
    assert always in errors and "SHA-256" in errors and "WA_KAFKA_BOOTSTRAP_SERVERS" in errors
    assert errors.count("\n") == 1 and "Traceback" not in output + errors
    central.bad = {}
    mended = setup()
    mended.communicate()
    assert mended.returncode == 0
    assert once in _cached(tmp_path)
    assert central.requests[once] == 2
