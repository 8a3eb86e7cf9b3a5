"""No command prints a password or a token, whatever it does and whatever goes wrong."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from streams.cli.main import run
from streams.settings import Settings, load, to_environment
from tests.cli.conftest import Command
from tests.support.secrecy import SECRET, list_files_with

_COMMAND_TIMEOUT_S = 60.0
_COMMANDS = [
    ("config",),
    ("config", "--json"),
    ("ps",),
    ("doctor", "--no-page"),
    ("doctor", "--no-page", "--json"),
    ("send", "+60115550001", "hello"),
    ("status", "one"),
    ("accounts", "list"),
    ("dlq", "list"),
    ("topics", "create"),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A password and a token, and a broker that does not answer."""
    ports = {"kafka_port": 0, "web_port": 0, "sandbox_port": 0}
    return load(
        {"WA_CONFIG": ""},
        data_dir=tmp_path / "data",
        kafka_bootstrap_servers="127.0.0.1:1",
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_security_mechanism="PLAIN",
        kafka_security_username="someone",
        kafka_security_password=SECRET,
        web_token=SECRET,
        log_level="debug",
        **ports,
    )


@pytest.mark.parametrize("words", _COMMANDS, ids=" ".join)
def test_no_command_prints_a_secret(
    command: Command, settings: Settings, words: tuple[str, ...], tmp_path: Path
) -> None:
    """Neither its output nor its error has one, nor what it leaves in the data folder."""
    result = command(*words, settings=settings)
    assert result.out + result.err != ""
    assert SECRET not in result.out + result.err
    assert list_files_with(tmp_path, SECRET) == []


def test_no_worker_logs_a_secret(settings: Settings, tmp_path: Path) -> None:
    """Not in its most talkative log either, which ends when the broker does not answer."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "streams.cli", *words],
            env=os.environ | to_environment(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for words in (("dispatch",), ("sender", "--account", "main"))
    ]
    for worker in workers:
        output, _ = worker.communicate(timeout=_COMMAND_TIMEOUT_S)
        assert worker.returncode == 1, output
        assert "Kafka" in output and SECRET not in output
    assert list_files_with(tmp_path, SECRET) == []


@pytest.mark.parametrize(
    ("variable", "is_named"),
    [("WA_WEB_TOKN", True), ("WA_KAFKA_SECURITY_PASSWRD", True), ("WA_WEB_TOKEN", False)],
)
def test_a_misspelt_secret_is_not_printed(
    variable: str,
    is_named: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """The refusal names the variable, and not its value."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, SECRET)
    run(["config"])
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err
    assert (variable in printed.err) is is_named


def test_a_repr_in_a_traceback_has_no_secret(settings: Settings) -> None:
    """Settings are part of many objects, which an error may show."""
    assert SECRET not in repr(settings) + str(replace(settings, web_port=1))
