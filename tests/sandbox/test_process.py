"""The sandbox as a process: its output, what survives its death, and when it refuses to start."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.browser import SandboxControl
from tests.support.pages.wire import ME, PEER, WirePage
from tests.support.sandbox import Sandbox, run_sandbox
from tests.support.waiting import wait_until


async def link(page: WirePage, sandbox: Sandbox) -> None:
    """A phone scans the page's code."""
    sandbox.client.scan(await page.read_qr())
    await page.receive("paired")


async def test_acked_messages_survive_a_sigkill(tmp_path: Path) -> None:
    """Killed at the moment of the ack, the sandbox keeps its log, account, numbers and ports."""
    with run_sandbox(tmp_path) as (sandbox, process):
        async with WirePage(sandbox, "a") as page:
            await link(page, sandbox)
            await SandboxControl(sandbox.control_url).set_numbers({PEER: {"chat_id": "1@c.us"}})
            for number in range(20):
                await page.send_text(f"3EB0{number:02}", "1@c.us")
            for _ in range(20):
                await page.receive("ack")
            process.send_signal(signal.SIGKILL)
            process.wait()
    with run_sandbox(tmp_path) as (again, _):
        assert again.browser_args == sandbox.browser_args
        assert again.control_url == sandbox.control_url
        log = again.client.fetch_log()
        assert [row["whatsapp_id"] for row in log] == [f"3EB0{number:02}" for number in range(20)]
        assert {(row["from"], row["to"]) for row in log} == {(ME, PEER)}
        async with WirePage(again, "a", linked=True) as page:
            await page.receive("welcome")
            await page.send_text("3EB000", "1@c.us")
            await page.receive("ack")
        assert again.client.fetch_log()[-1]["shown"] is False


async def test_a_message_survives_a_kill_before_its_ack(tmp_path: Path) -> None:
    """The message is on disk first: a page that sends it again makes a repeat, not a second message."""
    with run_sandbox(tmp_path, "--ack-delay-ms=60000") as (sandbox, process):
        async with WirePage(sandbox, "a") as page:
            await link(page, sandbox)
            await page.send_text("3EB001", PEER)
            await page.request("exists", wid="1@c.us")  # answered after the message was recorded
            process.send_signal(signal.SIGKILL)
            process.wait()
    with run_sandbox(tmp_path) as (again, _):
        async with WirePage(again, "a", linked=True) as page:
            await page.send_text("3EB001", PEER)
            await page.receive("ack")
        assert [row["shown"] for row in again.client.fetch_log()] == [True, False]


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_on_a_signal(tmp_path: Path, signal_number: signal.Signals) -> None:
    """The exit code is 0, also while pages are connected and acks are due."""
    with run_sandbox(tmp_path, "--ack-delay-ms=60000") as (sandbox, process):
        async with WirePage(sandbox, "a") as page:
            await link(page, sandbox)
            await page.send_text("3EB001", PEER)
            os.kill(process.pid, signal_number)
            await page.wait_closed()
            assert process.wait(20) == 0


async def test_auto_scan(tmp_path: Path) -> None:
    """With --auto-scan every page that shows a code is linked, each to a phone of its own."""
    with run_sandbox(tmp_path, "--auto-scan") as (sandbox, _):
        async with WirePage(sandbox, "a") as first, WirePage(sandbox, "b") as second:
            names = [(await page.receive("paired"))["me"] for page in (first, second)]
        assert sorted(names) == ["905550000001@c.us", "905550000002@c.us"]


async def test_codes_rotate_and_end(tmp_path: Path) -> None:
    """All codes come at once, in turn each is shown; a new connection gets new ones (WAWebHandlePairDevice)."""
    with run_sandbox(tmp_path, "--set=qr_ttl_s=0.1") as (sandbox, _):
        async with WirePage(sandbox, "a") as page:
            refs = (await page.receive("refs"))["refs"]
            assert len(set(refs)) == 6
            shown: set[str] = set()

            def read_codes() -> bool:
                codes = sandbox.client.fetch_overview().qr
                shown.update(code.partition(",")[0] for code in codes)
                return not codes

            await wait_until(read_codes)
            assert shown <= set(refs)
        async with WirePage(sandbox, "a") as again:
            code = await again.read_qr()
            assert code.partition(",")[0] not in refs
            await SandboxControl(sandbox.control_url).scan(code)
            await again.receive("paired")


async def test_recipients_that_read(tmp_path: Path) -> None:
    """With --read-ms recipients read by themselves."""
    with run_sandbox(tmp_path, "--read-ms=1") as (sandbox, _):
        async with WirePage(sandbox, "a") as page:
            await link(page, sandbox)
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
    """A second sandbox ends with 2 and one line that says what to do; the first one goes on."""
    with run_sandbox(tmp_path) as (sandbox, _):
        second = start(f"--data-dir={tmp_path}", "--port=0")
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr.count("\n") == 1
        assert "WA_DATA_DIR" in second.stderr
        assert sandbox.client.fetch_browser_args() == list(sandbox.browser_args)


def test_a_taken_port(tmp_path: Path) -> None:
    """A configured port must be free; otherwise another is used, also if the last run's is taken."""
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
    """Both ports listen on loopback alone."""
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(sandbox.pid).net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1", "127.0.0.1"]


def test_the_line_for_people(tmp_path: Path) -> None:
    """Without --json there is one line with the URL; only the owner may read the certificate's key."""
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
