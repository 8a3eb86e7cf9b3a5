"""`pip install wa-streams`: the typed client, and nothing of the service."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.testing.sandbox_stack import SandboxStack
from tests.packaging import distribution
from tests.packaging.distribution import Environment

# 49 MB of it are phonenumbers, 41 MB of which are place names that we do not use.
_MAX_INSTALLED_MB = 70

_IMPORTS = """
import importlib.util, inspect, sys
import streams.client
from streams.client import WhatsApp
assert inspect.iscoroutinefunction(WhatsApp.send)
refused = ("faust", "playwright", "rocksdict", "click", "rich", "aiohttp", "jgo", "filelock", "psutil")
assert not [name for name in refused if importlib.util.find_spec(name)]
print(streams.client.__file__)
"""


_FOLLOWS = """
import sys
from streams.client import SyncWhatsApp
with SyncWhatsApp(kafka=sys.argv[1]) as whatsapp:
    whatsapp.send_immediate("+60123456788", "hello", id="bare-1", timeout_s=60)
    print(*(each.status for each in whatsapp.history(id="bare-1", to="+60123456788")))
"""


@pytest.fixture(scope="module")
def client(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel and what it requires without an extra."""
    environment = distribution.create_environment(tmp_path_factory.mktemp("client") / "venv", wheel)
    required = distribution.resolve(distribution.read_requirements(wheel))
    distribution.copy_distributions(required, environment)
    return environment


def _run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)


def test_the_client_is_all_that_is_needed(client: Environment, tmp_path: Path) -> None:
    """It can be imported without any package of the service."""
    run = _run(tmp_path, str(client.python), "-c", _IMPORTS)
    assert (run.returncode, run.stderr) == (0, "")
    assert Path(run.stdout.strip()).is_relative_to(client.site_packages)
    assert (client.site_packages / "streams" / "py.typed").is_file()


def test_a_wrong_address_is_reported_without_the_service(
    client: Environment, tmp_path: Path
) -> None:
    """The client works up to the network."""
    program = """
import asyncio
from streams.client import WhatsApp
from streams.kafka.connection import KafkaUnreachable

async def main():
    try:
        async with WhatsApp(kafka="127.0.0.1:1") as whatsapp:
            await whatsapp.send("+60123456789", "hello")
    except KafkaUnreachable as error:
        print(error)

asyncio.run(main())
"""
    run = _run(tmp_path, str(client.python), "-c", program)
    assert run.returncode == 0, run.stderr
    assert "nothing listens at 127.0.0.1:1: start Kafka" in run.stdout


@pytest.mark.broker
@pytest.mark.browser
@pytest.mark.timeout(300)
def test_the_client_follows_a_message(
    client: Environment, tmp_path: Path, wa_streams: SandboxStack
) -> None:
    """It can read what the service writes, which is compressed."""
    run = _run(tmp_path, str(client.python), "-c", _FOLLOWS, wa_streams.kafka)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split()[:1] == ["accepted"]
    assert "sent" in run.stdout.split()


def test_the_client_is_small(
    client: Environment, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """A program that only requests messages gets no browser driver and no database."""
    files = [path for path in client.site_packages.rglob("*") if path.is_file()]
    installed_mb = sum(file.stat().st_size for file in files) / 1_000_000
    record_testsuite_property("client_installed_mb", round(installed_mb, 1))
    assert installed_mb < _MAX_INSTALLED_MB


@pytest.mark.parametrize("arguments", [(), ("--help",), ("up",), ("send", "+60123456789", "hi")])
def test_the_program_says_what_to_install(
    client: Environment, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """The exit code is 2, with one line."""
    run = _run(tmp_path, str(client.program), *arguments)
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert "pip install 'wa-streams[server]'" in run.stderr
