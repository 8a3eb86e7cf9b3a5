"""Every command: its exit code, and its error line."""

import subprocess
import sys
from pathlib import Path

import pytest

from streams.cli.main import _COMMANDS, cli
from streams.settings import load
from tests.cli.conftest import Command


def test_every_command_has_help(command: Command) -> None:
    """The list of commands and each command can be read without any setting."""
    assert set(_COMMANDS) == set(cli.list_commands(None))  # type: ignore[arg-type]
    listed = command("--help")
    assert listed.code == 0
    for name in _COMMANDS:
        assert name in listed.out
        helped = command(name, "--help")
        assert (helped.code, helped.err) == (0, "")


@pytest.mark.parametrize(
    "words",
    [
        ["nope"],
        ["sender"],
        ["sender", "--account", "nobody"],
        ["send", "+60123456789"],
        ["send", "+60123456789", "hi", "--content", "{}"],
        ["send", "+60123456789", "--content", "[]"],
        ["dispatch", "--name", "../up"],
        ["dlq"],
        ["dlq", "replay"],
        ["dlq", "replay", "--all", "--id", "x"],
        ["dlq", "purge"],
        ["dlq", "list", "--since", "last week"],
        ["up", "--no-scan"],
        ["up", "--dispatchers", "0"],
    ],
    ids=" ".join,
)
def test_wrong_usage_gives_one_line(command: Command, words: list[str]) -> None:
    """The exit code is 2, with nothing on stdout and one line on stderr."""
    ran = command(*words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.error_line


@pytest.mark.parametrize(
    "words", [["dispatch"], ["status"], ["dlq", "list"], ["topics", "check"], ["accounts", "list"]]
)
def test_without_a_kafka_it_says_what_to_do(command: Command, words: list[str]) -> None:
    """No broker is set and no `up` runs on this data folder."""
    assert "set WA_KAFKA_BOOTSTRAP_SERVERS" in command(*words).error_line
    assert command(*words).code == 2


@pytest.mark.parametrize(
    "words",
    [["send", "+60123456789", "hi"], ["status"], ["dlq", "list"], ["topics", "create"], ["queue"]],
    ids=" ".join,
)
def test_a_kafka_that_does_not_answer_is_named(
    command: Command, words: list[str], tmp_path: Path
) -> None:
    """Nothing listens on port 1. Nothing that the user typed is wrong, so a retry is worthwhile: code 1."""
    settings = load({"WA_CONFIG": ""}, data_dir=tmp_path, kafka_bootstrap_servers="127.0.0.1:1")
    ran = command(*words, settings=settings)
    assert ran.code == 1
    assert "127.0.0.1:1" in ran.error_line


def test_a_wrong_setting_stops_every_command(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error line names its variable."""
    monkeypatch.setenv("WA_MAX_QUEUE", "many")
    for words in (["config"], ["ps"], ["up"], ["doctor"]):
        ran = command(*words)
        assert (ran.code, "WA_MAX_QUEUE" in ran.error_line) == (2, True)


def test_config_prints_every_setting(command: Command, tmp_path: Path) -> None:
    """Each has its value, default and meaning, but secrets are hidden."""
    settings = load(
        {"WA_CONFIG": ""}, data_dir=tmp_path, max_queue=7, kafka_security_password="hunter2"
    )
    ran = command("config", "--json", settings=settings)
    rows = {row["variable"]: row for row in ran.objects}
    assert rows["WA_MAX_QUEUE"]["value"] == 7
    assert rows["WA_MAX_QUEUE"]["default"] == 1000
    assert all(row["meaning"] for row in rows.values())
    assert "hunter2" not in ran.out
    assert rows["WA_MAX_QUEUE"]["group"] == "limits"
    printed = command("config", settings=settings).out
    assert "WA_MAX_QUEUE" in printed
    assert [line for line in printed.splitlines() if line.startswith("[limits] ")]


def test_ps_if_nothing_runs(command: Command) -> None:
    """The stack is not ready and has no services, and the exit code is 0."""
    ran = command("ps", "--json")
    assert (ran.code, ran.objects[0]["ready"], ran.objects[0]["parts"]) == (0, False, [])


@pytest.mark.parametrize("words", ["config --json", "config"])
def test_a_closed_pipe_is_not_an_error(words: str) -> None:
    """The reader closes the pipe before the first line is written."""
    shell = f"{sys.executable} -m streams.cli {words} | true; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("0\n", "")
