"""The webhook receiver of `examples/`: what is signed is handled once, and nothing else is.

The first signature is the one that the Standard Webhooks libraries have in their tests.
"""

import base64
import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from examples.webhook_receiver import is_signed

PROGRAM = Path(__file__).parents[2] / "examples" / "webhook_receiver.py"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TIMEOUT_S = 60
KNOWN = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
KNOWN_BODY = b'{"test": 2432232314}'
KNOWN_TIME_S = 1614265330.0


def test_a_known_signature_is_accepted() -> None:
    """It is that of the specification's own libraries."""
    assert is_signed(SECRET, KNOWN, KNOWN_BODY, KNOWN_TIME_S)
    rotated = KNOWN | {"webhook-signature": f"v1,AAAA {KNOWN['webhook-signature']} v1a,x"}
    assert is_signed(SECRET, rotated, KNOWN_BODY, KNOWN_TIME_S)


@pytest.mark.parametrize(
    ("change", "body", "now_s"),
    [
        ({}, b'{"test": 1}', KNOWN_TIME_S),
        ({}, KNOWN_BODY, KNOWN_TIME_S + 301),
        ({}, KNOWN_BODY, KNOWN_TIME_S - 301),
        ({"webhook-id": "msg_other"}, KNOWN_BODY, KNOWN_TIME_S),
        ({"webhook-id": ""}, KNOWN_BODY, KNOWN_TIME_S),
        ({"webhook-timestamp": "1614265331"}, KNOWN_BODY, KNOWN_TIME_S),
        ({"webhook-timestamp": "now"}, KNOWN_BODY, KNOWN_TIME_S),
        ({"webhook-signature": ""}, KNOWN_BODY, KNOWN_TIME_S),
        ({"webhook-signature": "v1,é"}, KNOWN_BODY, KNOWN_TIME_S),
    ],
    ids=lambda value: str(value)[:40],
)
def test_anything_else_is_refused(change: dict[str, str], body: bytes, now_s: float) -> None:
    """Another body, time, id or signature."""
    assert not is_signed(SECRET, KNOWN | change, body, now_s)


@dataclass
class Running:
    """The receiver as a process."""

    process: "subprocess.Popen[str]"
    port: int

    def post(self, webhook_id: str, event: object, secret: str = SECRET) -> int:
        """Deliver an event as a sender of Standard Webhooks does; returns the status."""
        body, timestamp = json.dumps(event).encode(), str(int(time.time()))
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signature = hmac.digest(key, f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256)
        headers = {
            "webhook-id": webhook_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        }
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture
def receiver() -> Iterator[Running]:
    """It listens on a free port of loopback."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "0"],
        env=os.environ | {"WEBHOOK_SECRET": SECRET},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    port = process.stdout.readline().split()[-1]
    yield Running(process, int(port))
    process.terminate()
    process.communicate(timeout=TIMEOUT_S)


@pytest.mark.parametrize(
    ("length", "status"), [("-1", 411), ("x", 411), ("1048577", 413), ("9" * 5000, 413)]
)
def test_a_length_that_is_none_is_refused_at_once(
    receiver: Running, length: str, status: int
) -> None:
    """Before a body is read: a negative length would read until the caller ends."""
    with socket.create_connection(("127.0.0.1", receiver.port), TIMEOUT_S) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\ncontent-length: {length}\r\n\r\n".encode())
        assert connection.makefile().readline().split()[1] == str(status)


def test_an_event_is_handled_once(receiver: Running) -> None:
    """A repeat is answered as the first delivery is, and one with another secret is refused."""
    event = {"type": "wa.message.sent", "data": {"id": "order-1"}}
    assert receiver.post("msg_1", event, secret="whsec_b3RoZXI=") == 401
    assert [receiver.post("msg_1", event) for _ in range(2)] == [204, 204]
    assert receiver.post("msg_2", {"type": "last"}) == 204
    assert receiver.process.stdout is not None
    lines = [json.loads(receiver.process.stdout.readline()) for _ in range(2)]
    assert lines == [event, {"type": "last"}]
