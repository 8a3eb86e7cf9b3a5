"""The sandbox as a process: what it says, what outlives its death, and how it refuses to start."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.browser import SandboxControl
from tests.support.sandbox import Sandbox, run_sandbox
from tests.support.wire import ME, PEER, WirePage


def ask(sandbox: Sandbox, path: str = "/") -> Any:
    with urllib.request.urlopen(f"{sandbox.control_url}{path}", timeout=30) as response:
        return json.load(response)


async def linked(page: WirePage, sandbox: Sandbox) -> None:
    await SandboxControl(sandbox.control_url).post("/scan", {"qr": await page.read_qr()})
    await page.receive("paired")


async def test_what_was_acknowledged_is_there_after_a_sigkill(tmp_path: Path) -> None:
    """Killed in the moment of the ack: log, account and numbers are those of before, and the ports."""
    with run_sandbox(tmp_path) as (sandbox, process):
        async with WirePage(sandbox, "a") as page:
            await linked(page, sandbox)
            await SandboxControl(sandbox.control_url).post(
                "/numbers", {PEER: {"chat_id": "1@c.us"}}
            )
            for number in range(20):
                await page.send_text(f"3EB0{number:02}", "1@c.us")
            for _ in range(20):
                await page.receive("ack")
            process.send_signal(signal.SIGKILL)
            process.wait()
    with run_sandbox(tmp_path) as (again, _):
        assert again.browser_args == sandbox.browser_args
        assert again.control_url == sandbox.control_url
        log = ask(again, "/log")
        assert [row["whatsapp_id"] for row in log] == [f"3EB0{number:02}" for number in range(20)]
        assert {(row["from"], row["to"]) for row in log} == {(ME, PEER)}
        async with WirePage(again, "a", linked=True) as page:
            await page.receive("welcome")
            await page.send_text("3EB000", "1@c.us")
            await page.receive("ack")
        assert ask(again, "/log")[-1]["shown"] is False


async def test_killed_before_the_ack_it_still_knows_the_message(tmp_path: Path) -> None:
    """The fact is on disk first: a page that sends again is a repeat, not a second message."""
    with run_sandbox(tmp_path, "--ack-delay-ms=60000") as (sandbox, process):
        async with WirePage(sandbox, "a") as page:
            await linked(page, sandbox)
            await page.send_text("3EB001", PEER)
            await page.request("exists", wid="1@c.us")  # answered after the message was taken
            process.send_signal(signal.SIGKILL)
            process.wait()
    with run_sandbox(tmp_path) as (again, _):
        async with WirePage(again, "a", linked=True) as page:
            await page.send_text("3EB001", PEER)
            await page.receive("ack")
        assert [row["shown"] for row in ask(again, "/log")] == [True, False]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_on_a_signal(tmp_path: Path, how: signal.Signals) -> None:
    """With 0, also while pages are connected and acks are owed."""
    with run_sandbox(tmp_path, "--ack-delay-ms=60000") as (sandbox, process):
        async with WirePage(sandbox, "a") as page:
            await linked(page, sandbox)
            await page.send_text("3EB001", PEER)
            os.kill(process.pid, how)
            await page.wait_closed()
            assert process.wait(20) == 0


async def test_a_phone_that_scans_by_itself(tmp_path: Path) -> None:
    """With --auto-scan every page that shows a code is linked, each with a phone of its own."""
    with run_sandbox(tmp_path, "--auto-scan") as (sandbox, _):
        async with WirePage(sandbox, "a") as first, WirePage(sandbox, "b") as second:
            names = [(await page.receive("paired"))["me"] for page in (first, second)]
        assert sorted(names) == ["905550000001@c.us", "905550000002@c.us"]


async def test_codes_change_and_come_to_an_end(tmp_path: Path) -> None:
    """The one before is good for a moment longer; after the last there is none until a click."""
    with run_sandbox(tmp_path, "--qr-ttl-s=0.2") as (sandbox, _):
        async with WirePage(sandbox, "a") as page:
            codes = [await page.read_qr() for _ in range(6)]
            assert len(set(codes)) == 6
            await page.receive("idle")
            assert ask(sandbox)["qr"] == []
            await page.send("refresh_qr")
            first, _ = await page.read_qr(), await page.read_qr()
            await SandboxControl(sandbox.control_url).post("/scan", {"qr": first})
            await page.receive("paired")


async def test_recipients_that_read(tmp_path: Path) -> None:
    """With --read-ms they read by themselves, with --delivery-ms=-1 they never answer."""
    with run_sandbox(tmp_path, "--read-ms=1") as (sandbox, _):
        async with WirePage(sandbox, "a") as page:
            await linked(page, sandbox)
            await page.send_text("3EB001", PEER)
            assert (await page.receive("receipt"))["type"] == "delivery"
            assert (await page.receive("receipt"))["type"] == "read"


def start(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streams.sandbox", *options],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_one_owner_of_a_folder(tmp_path: Path) -> None:
    """A second one ends with 2 and one line that says what to do; the first goes on."""
    with run_sandbox(tmp_path) as (sandbox, _):
        second = start(f"--data-dir={tmp_path}", "--port=0")
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr.count("\n") == 1
        assert "WA_DATA_DIR" in second.stderr
        assert ask(sandbox)["ready"] is True


def test_a_taken_port(tmp_path: Path) -> None:
    """Named, it must be free; not named, another is found, also when the last run's is taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = start(f"--data-dir={tmp_path}", f"--port={port}")
        assert refused.returncode == 2
        assert f"port {port} is taken; set WA_SANDBOX_PORT" in refused.stderr
        ports = tmp_path / "sandbox" / "ports.json"
        ports.write_text(json.dumps({"control": port, "page": port}))
        with run_sandbox(tmp_path) as (sandbox, _):
            assert not sandbox.control_url.endswith(f":{port}")


def test_only_loopback(sandbox: Sandbox) -> None:
    """Neither port is open to anybody else."""
    listening = [
        one.laddr.ip
        for one in psutil.Process(sandbox.pid).net_connections(kind="tcp")
        if one.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1", "127.0.0.1"]


def test_the_line_for_people(tmp_path: Path) -> None:
    """Without --json one line with the control's URL; the certificate's key is nobody else's."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.sandbox", f"--data-dir={tmp_path}", "--port=0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("sandbox: ready at http://127.0.0.1:")
        certificate = tmp_path / "sandbox" / "certificate.pem"
        assert certificate.stat().st_mode & 0o077 == 0
    finally:
        process.terminate()
        process.communicate(timeout=20)
