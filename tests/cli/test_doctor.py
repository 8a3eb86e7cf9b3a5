"""`doctor`: one line for each check, and exit code 1 if something required is missing."""

import socket
from pathlib import Path

import pytest

from streams.embedded_kafka.broker import EmbeddedBroker
from streams.settings import Settings, load
from tests.cli.conftest import Command
from tests.support.broker import make_settings


def make_settings_without_kafka(tmp_path: Path, **given: object) -> Settings:
    """Settings with any free port and without Kafka."""
    ports = {"kafka_port": 0, "web_port": 0, "sandbox_port": 0}
    return load({"WA_CONFIG": ""}, **(ports | {"data_dir": tmp_path / "data"} | given))


@pytest.mark.browser
def test_a_machine_that_has_everything(command: Command, tmp_path: Path) -> None:
    """Every check is ok, the page of the sandbox included."""
    ran = command("doctor", "--sandbox", "--json", settings=make_settings_without_kafka(tmp_path))
    problems = [check for check in ran.objects if not check["ok"]]
    assert (ran.code, [check for check in problems if check["required"]]) == (0, [])
    # Depends on the user and the system that run the tests.
    assert {check["name"] for check in problems} <= {"confinement"}
    assert {check["name"] for check in ran.objects} == {
        "python",
        "java",
        "kafka jars",
        "wa-js",
        "browser",
        "confinement",
        "disk",
        "open files",
        "kafka port",
        "web port",
        "sandbox page",
    }


@pytest.mark.parametrize(
    ("given", "name", "advice"),
    [
        ({"browser_executable": "/nowhere/chromium"}, "browser", "WA_BROWSER_EXECUTABLE"),
        ({"whatsapp_bundle": "/nowhere/wa.js"}, "wa-js", "WA_WHATSAPP_BUNDLE"),
        ({"data_dir": "/proc/none"}, "disk", "WA_DATA_DIR"),
        ({"kafka_bootstrap_servers": "127.0.0.1:1"}, "kafka", "WA_KAFKA_BOOTSTRAP_SERVERS"),
    ],
)
def test_a_missing_thing_is_named(
    command: Command, tmp_path: Path, given: dict[str, str], name: str, advice: str
) -> None:
    """Its line has advice, and the exit code is 1."""
    settings = make_settings_without_kafka(tmp_path, **given)
    ran = command("doctor", "--no-page", "--json", settings=settings)
    (missing,) = [check for check in ran.objects if check["required"] and not check["ok"]]
    assert (ran.code, missing["name"], advice in missing["advice"]) == (1, name, True)
    assert name in ran.error_line
    assert "missing" in command("doctor", "--no-page", settings=settings).out


def test_a_taken_port_is_named(command: Command, tmp_path: Path) -> None:
    """`doctor` reports the port before `up` fails because of it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ran = command(
            "doctor",
            "--no-page",
            "--json",
            settings=make_settings_without_kafka(tmp_path, web_port=port),
        )
    missing = [check["name"] for check in ran.objects if check["required"] and not check["ok"]]
    assert missing == ["web port"]


@pytest.mark.broker
def test_missing_topics_are_named(command: Command, broker: EmbeddedBroker, tmp_path: Path) -> None:
    """The broker answers, but its topics are missing."""
    ran = command("doctor", "--no-page", "--json", settings=make_settings(broker, tmp_path))
    checks = {check["name"]: check for check in ran.objects}
    assert (checks["kafka"]["ok"], checks["topics"]["ok"], ran.code) == (True, False, 1)
    assert "topics create" in checks["topics"]["advice"]
