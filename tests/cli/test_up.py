"""`up`, `ps` and `demo` as processes, with everything real: broker, sandbox, workers, browser."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import orjson
import psutil
import pytest

from streams.local.data_dir import OWN_NAMES
from streams.system.processes import is_running
from tests.support.secrecy import (
    SECRET,
    list_command_lines_with,
    list_files_with,
    list_open_files,
)

pytestmark = [pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(400)]

WAITS_S = 90.0


@dataclass
class Up:
    """A running `up`, and commands on the same data folder."""

    process: "subprocess.Popen[str]"
    environ: dict[str, str]
    log: Path

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `wa-streams …` on the same data folder."""
        return subprocess.run(
            [sys.executable, "-m", "streams.cli", *words],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=WAITS_S,
        )

    def ps(self) -> dict[str, Any]:
        """The output of `ps`."""
        return orjson.loads(self.command("ps", "--json").stdout)

    def service(self, name: str) -> dict[str, Any]:
        """One service of it; empty if it does not exist."""
        return next((service for service in self.ps()["parts"] if service["name"] == name), {})

    def read_page(self, path: str) -> str:
        """A page of the console."""
        with urlopen(self.ps()["web"] + path, timeout=WAITS_S) as response:
            return response.read().decode()

    def below(self) -> list[int]:
        """Every process that belongs to it."""
        tree = psutil.Process(self.process.pid).children(recursive=True)
        return [self.process.pid, *(process.pid for process in tree)]


def eventually(condition: Callable[[], object], why: Callable[[], str]) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + WAITS_S
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.1)


def environment(folder: Path) -> dict[str, str]:
    """The environment of the tests, with a data folder and any free ports for `wa-streams`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WA_")}
    ports = {f"WA_{name}_PORT": "0" for name in ("KAFKA", "WEB", "SANDBOX")}
    own = {"WA_DATA_DIR": str(folder / "data"), "TMPDIR": str(folder), "WA_WEB_TOKEN": SECRET}
    return inherited | ports | own


@contextlib.contextmanager
def started(folder: Path, *words: str) -> Iterator[Up]:
    """A process `wa-streams …` on a folder of its own; what still runs at the end is killed."""
    environ = environment(folder)
    log = folder / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", *words],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
            umask=0o022,
        )
    up = Up(process, environ, log)
    try:
        yield up
    finally:
        if process.poll() is None:
            for pid in up.below():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        process.communicate()


@contextlib.contextmanager
def follows(up: Up, id: str) -> "Iterator[subprocess.Popen[str]]":
    """`status --follow`, which ends only with Ctrl-C."""
    words = [sys.executable, "-m", "streams.cli", "status", "--follow", id, "--json"]
    process = subprocess.Popen(words, env=up.environ, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ready(up: Up) -> dict[str, Any]:
    """The line of `up --json`, once all is ready."""
    assert up.process.stdout is not None
    line = up.process.stdout.readline()
    assert line, up.log.read_text()
    return orjson.loads(line)


def leave_open_log(folder: Path) -> None:
    """A data folder of an earlier version, which every user of the machine can read."""
    log = folder / "data" / "logs" / "dispatch-1.log.1"
    log.parent.mkdir(parents=True)
    log.touch()
    for path in (log, log.parent, folder / "data"):
        path.chmod(0o755)


def check_secrecy(up: Up, folder: Path) -> None:
    """Other users can read no file, and no secret is in a file or a command line."""
    data_dir = folder / "data"
    assert list_open_files(data_dir) == []
    assert {path.name for path in data_dir.iterdir()} == OWN_NAMES - {
        "media",
        "media-cache",
        "webhooks",
    }
    assert list_files_with(folder, SECRET) == []
    assert list_command_lines_with(up.below(), SECRET) == []
    assert up.log.read_text().count("could be read by other users") == 1
    assert SECRET not in up.command("ps").stdout + up.command("config").stdout


def test_everything_runs_and_nothing_is_left(tmp_path: Path) -> None:
    """One command sends a message, survives the death of a service, and ends without a process left.

    Nobody else can read what it writes.
    """
    leave_open_log(tmp_path)
    with started(tmp_path, "up", "--sandbox", "--json") as up:
        stack_status = ready(up)
        assert up.ps() == stack_status
        assert stack_status["ready"] is True
        names = [service["name"] for service in stack_status["parts"]]
        assert names == [
            "kafka-1",
            "sandbox",
            "dispatch-1",
            "console",
            "sender-main",
            "browser-main",
        ]
        assert {service["state"] for service in stack_status["parts"]} == {"ready"}
        assert all(is_running(service["pid"]) for service in stack_status["parts"])

        sent = up.command("send", "+60115550001", "hello", "--id", "one", "--wait", "--json")
        assert sent.returncode == 0, sent.stderr
        assert orjson.loads(sent.stdout)["status"] == "sent"
        bad = up.command("send", "+60 1", "hello", "--wait")
        assert (bad.returncode, "invalid_phone" in bad.stderr) == (1, True)
        history = up.command("status", "one", "--json").stdout.splitlines()
        assert [orjson.loads(line)["status"] for line in history][:2] == ["accepted", "sent"]
        page = up.read_page("/message?" + urlencode({"to": "+60115550001", "id": "one"}))
        assert "Timeline" in page
        assert ">sent<" in page
        with follows(up, "one") as following:
            assert following.stdout is not None
            assert orjson.loads(following.stdout.readline())["status"] == "accepted"
            following.send_signal(signal.SIGINT)
            assert following.wait(WAITS_S) == 0
        (account,) = map(orjson.loads, up.command("accounts", "list", "--json").stdout.splitlines())
        assert (account["account"], account["state"]) == ("main", "ready")

        diagnosis = up.command("doctor", "--account", "main")
        assert diagnosis.returncode == 0, diagnosis.stdout + diagnosis.stderr
        assert account["phone"][1:] not in diagnosis.stdout
        to_self = up.command("doctor", "--send-to-self", "--yes", "--json")
        assert to_self.returncode == 0, to_self.stderr
        assert [orjson.loads(line)["status"] for line in to_self.stdout.splitlines()][-1] in {
            "delivered",
            "read",
        }

        second = up.command("up")
        assert (second.returncode, second.stderr.count("\n")) == (2, 1)
        assert f"pid {up.process.pid}" in second.stderr

        before = up.service("dispatch-1")
        os.kill(before["pid"], signal.SIGKILL)
        eventually(
            lambda: up.service("dispatch-1")["restarts"] == 1 and up.ps()["ready"],
            lambda: up.log.read_text(),
        )
        assert up.service("dispatch-1")["pid"] != before["pid"]
        assert up.service("sender-main")["restarts"] == 0
        assert up.command("send", "+60115550001", "again", "--wait").returncode == 0

        check_secrecy(up, tmp_path)
        below = up.below()
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(WAITS_S) == 0
        assert not any(map(is_running, below))
        stopped = [line.split()[1] for line in up.log.read_text().splitlines() if "stopped" in line]
        assert stopped == ["sender-main", "console", "dispatch-1", "sandbox", "kafka-1"]
        assert up.ps()["parts"] == []


def test_an_account_is_linked_by_hand_and_a_killed_up_takes_everything_with_it(
    tmp_path: Path,
) -> None:
    """After SIGKILL no process is left, not even browser or broker, and another `up` may begin."""
    with started(tmp_path, "up", "--sandbox", "--no-scan", "--json") as up:
        eventually(lambda: "█" in up.log.read_text(), up.log.read_text)
        assert "main: scan this code" in up.log.read_text()
        linked = up.command("accounts", "link", "main", "--sandbox", "--json")
        assert orjson.loads(linked.stdout)["state"] == "ready", linked.stderr
        ready(up)
        below = up.below()
        assert len(below) >= 7
        up.process.kill()
        up.process.wait()
        eventually(
            lambda: not any(map(is_running, below)),
            lambda: str([p for p in below if is_running(p)]),
        )
        assert up.ps()["ready"] is False
    with started(tmp_path, "up", "--json") as up:
        eventually(lambda: "kafka-1 ready" in up.log.read_text(), up.log.read_text)
        below = up.below()
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(WAITS_S) == 0
        assert not any(map(is_running, below))


def test_a_demo_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    """Interrupted in the middle, it ends with exit code 130, and leaves no process and no folder."""
    with started(tmp_path, "demo") as demo:
        assert demo.process.stdout is not None
        for line in demo.process.stdout:
            if "accepted" in line:
                break
        below = demo.below()
        assert len(below) >= 7
        demo.process.send_signal(signal.SIGINT)
        demo.process.stdout.read()
        assert demo.process.wait(WAITS_S) == 130
        assert not any(map(is_running, below))
        assert "interrupted" in demo.log.read_text().splitlines()[-1]
        assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_taken_port_stops_up_with_one_line(tmp_path: Path) -> None:
    """The exit code is 2, and the line names the port and the setting."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-m", "streams.cli", "up"],
            env=environment(tmp_path) | {"WA_KAFKA_PORT": port},
            capture_output=True,
            text=True,
            timeout=WAITS_S,
        )
    assert ended.returncode == 2
    assert f"127.0.0.1:{port} is taken" in ended.stderr
    assert ended.stderr.count("\n") == 1
