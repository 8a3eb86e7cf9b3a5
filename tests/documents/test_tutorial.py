"""The tutorial is true: each of its commands runs in its order, and prints what the page shows.

A block of `sh` is run line by line; a line may name its exit code. The block of `text` after it is what the last line
prints, with `…` for what differs from run to run. The first block, which installs and starts the service, is left to
the tests of the package; here the service is the one of the fixture, on ports of its own.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.testing.sandbox_stack import SandboxStack

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
START = "pip install 'wa-streams[server]'\nwa-streams up --sandbox\n"
COMMAND_TIMEOUT_S = 180
_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT_CODE = re.compile(r" # exit code (\d+)$")

pytestmark = [pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(900)]


def blocks() -> Iterator[tuple[str, str]]:
    """The blocks of the page, with their languages."""
    return ((match[1], match[2]) for match in _BLOCK.finditer(TUTORIAL.read_text()))


def run(stack: SandboxStack, line: str) -> str:
    """What a line prints to standard output; its exit code is the one that the page names, or 0."""
    exit_code = _EXIT_CODE.search(line)
    command = line.replace("http://127.0.0.1:8765", stack.sandbox.url)
    command = command.replace("http://127.0.0.1:8080", stack.web)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": path, "WA_KAFKA_BOOTSTRAP_SERVERS": stack.kafka, "WA_PARTITIONS": "1"}
    completed = subprocess.run(
        ["bash", "-c", command],
        env=os.environ | environ | {"WA_CONFIG": ""},
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
    )
    expected = int(exit_code[1]) if exit_code else 0
    assert completed.returncode == expected, f"{line}\n{completed.stdout}\n{completed.stderr}"
    return completed.stdout


def matches(shown: str, printed: str) -> bool:
    """Whether the page shows what was printed; white space does not count."""
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    patterns = [
        r"(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"
        for line in lines
    ]
    normalized = "".join(" ".join(line.split()) + "\n" for line in printed.splitlines())
    return re.fullmatch("".join(patterns), normalized) is not None


def test_each_command_of_the_tutorial_works(wa_streams: SandboxStack) -> None:
    """In the order of the page. Nothing arrives twice at the simulated phones."""
    (_, start), *rest = blocks()
    assert start == START
    printed, outputs = "", 0
    for language, body in rest:
        if language == "text":
            assert matches(body, printed), f"shown:\n{body}\nprinted:\n{printed}"
            outputs += 1
        else:
            printed = [run(wa_streams, line) for line in body.splitlines()][-1]
    assert outputs >= 5
    texts = [message["body"] for message in wa_streams.wait_for_messages("+905551112233", 2)]
    assert texts == ["Your parcel is on its way", "Hello"]
    assert len(wa_streams.wait_for_messages("+905551112244")) == 1


@pytest.mark.parametrize(
    ("shown", "printed", "expected"),
    [
        ("… a  sent\n", "12:00  a sent\n", True),
        ("a\n…\n", "a\nb\nc\n", True),
        ("a\n…\n", "a\n", True),
        ("a\n", "a\nb\n", False),
        ("… a failed\n", "12:00 a sent\n", False),
    ],
)
def test_a_block_of_output_is_compared(shown: str, printed: str, expected: bool) -> None:
    """Otherwise a page could show anything."""
    assert matches(shown, printed) is expected
