"""`doctor`: a line for each thing, and exit code 1 when one that is needed is missing."""

import socket
from pathlib import Path

import pytest

from streams.embedded_kafka.broker import EmbeddedBroker
from streams.settings import Settings, load
from tests.cli.conftest import Command
from tests.support.broker import make_settings


def bare(tmp_path: Path, **given: object) -> Settings:
    """Any free port, no Kafka."""
    ports = {"kafka_port": 0, "web_port": 0, "sandbox_port": 0}
    return load({"WA_CONFIG": ""}, **(ports | {"data_dir": tmp_path / "data"} | given))


@pytest.mark.browser
def test_a_machine_that_has_everything(command: Command, tmp_path: Path) -> None:
    """All is ok, the simulated page included; nothing is left of it."""
    ran = command("doctor", "--sandbox", "--json", settings=bare(tmp_path))
    assert (ran.code, [each for each in ran.objects if not each["ok"]]) == (0, [])
    assert {each["name"] for each in ran.objects} == {
        "python",
        "java",
        "kafka jars",
        "wa-js",
        "browser",
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
def test_what_is_missing_is_told(
    command: Command, tmp_path: Path, given: dict[str, str], name: str, advice: str
) -> None:
    """With what to do about it, and exit code 1."""
    settings = bare(tmp_path, **given)
    ran = command("doctor", "--no-page", "--json", settings=settings)
    (missing,) = [each for each in ran.objects if not each["ok"]]
    assert (ran.code, missing["name"], advice in missing["advice"]) == (1, name, True)
    assert name in ran.complaint
    assert "missing" in command("doctor", "--no-page", settings=settings).out


def test_a_taken_port_is_told(command: Command, tmp_path: Path) -> None:
    """Before `up` finds it out."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ran = command("doctor", "--no-page", "--json", settings=bare(tmp_path, web_port=port))
    assert [each["name"] for each in ran.objects if not each["ok"]] == ["web port"]


@pytest.mark.broker
def test_topics_that_are_missing_are_told(
    command: Command, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """The broker answers, and `topics create` is what to do."""
    ran = command("doctor", "--no-page", "--json", settings=make_settings(broker, tmp_path))
    said = {each["name"]: each for each in ran.objects}
    assert (said["kafka"]["ok"], said["topics"]["ok"], ran.code) == (True, False, 1)
    assert "topics create" in said["topics"]["advice"]
