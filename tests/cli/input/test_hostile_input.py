"""Nothing that a person can type, press or connect gives a traceback: one line and an exit code."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.cli import main as command_line
from streams.settings import load
from tests.cli.conftest import Command

PHONE = "+60123456789"
NOT_UTF8 = os.fsdecode(b"caf\xe9")
HUGE = "9" * 400
DEEP = '{"a":' * 100_000

WRONG_USAGE = [
    ["send", PHONE, NOT_UTF8],
    ["send", PHONE, "x", "--id", NOT_UTF8],
    ["send", PHONE, "x", "--id", ""],
    ["send", PHONE, "x", "--id", "two\nlines"],
    ["send", PHONE, "a\0b"],
    ["send", "", "x"],
    ["send", PHONE, ""],
    ["send", PHONE, "x", "--metadata", NOT_UTF8],
    ["send", PHONE, "x", "--metadata", DEEP],
    ["send", PHONE, "x", "--metadata", '{"a": NaN}'],
    ["send", PHONE, "x", "--metadata", '{"a": 1e999}'],
    ["send", PHONE, "x", "--metadata", f'{{"a": {HUGE}}}'],
    ["send", PHONE, "x", "--metadata", f'{{"a": {"9" * 5000}}}'],
    ["send", PHONE, "x", "--metadata", '{"a": "\\ud800"}'],
    ["send", PHONE, "--content", '{"type": "txet"}'],
    ["send", PHONE, "x", "--send-at", "tomorrow"],
    ["send", PHONE, "x", "--send-at", NOT_UTF8],
    ["send", PHONE, "x", "--account", "No Account"],
    ["send", PHONE, "x", "--timeout", "nan"],
    ["send", PHONE, "x", "--timeout", "inf"],
    ["send", PHONE, "x", "--timeout", HUGE],
    ["send", PHONE, "x", "--timeout", "-1"],
    ["send", PHONE, "x", "--file", "."],
    ["send", PHONE, "x", "--file", "no\0file"],
    ["send", PHONE, "x", "--file", NOT_UTF8],
    ["send", PHONE, "x", "--file", "n" * 5000],
    ["status", "--since", "99999999999999"],
    ["status", "--since", NOT_UTF8],
    ["status", "--since", "0001-01-01"],
    ["status", "--since", f"{HUGE}d"],
    ["status", "--to", "nobody"],
    ["queue", "nobody"],
    ["queue", NOT_UTF8],
    ["queue", "1\0"],
    ["dlq", "list", "--to", NOT_UTF8],
    ["dlq", "list", "--reason", NOT_UTF8],
    ["dlq", "replay", "--all", "--rate", "nan"],
    ["dlq", "replay", "--all", "--rate", "inf"],
    ["dlq", "purge", "--before", "99999999999999"],
    ["accounts", "add", NOT_UTF8],
    ["accounts", "add", "a\0"],
    ["sender", "--account", NOT_UTF8],
    ["dispatch", "--name", NOT_UTF8],
    ["dispatch", "--name", "a\n"],
    ["sandbox", "--ack-delay-ms", HUGE],
    ["sandbox", "--read-ms", "-1"],
    ["up", "--dispatchers", HUGE],
    ["doctor", "--account", NOT_UTF8],
    [NOT_UTF8],
    ["a\0b"],
]


@pytest.mark.parametrize("words", WRONG_USAGE, ids=lambda words: ascii(" ".join(words))[1:40])
def test_wrong_input_is_one_line_and_code_2(
    command: Command, words: list[str], tmp_path: Path
) -> None:
    """Whatever it is, and before any broker is needed."""
    settings = load({"WA_CONFIG": ""}, data_dir=tmp_path, kafka_bootstrap_servers="127.0.0.1:1")
    ran = command(*words, settings=settings)
    assert (ran.code, ran.out) == (2, "")
    assert ran.error_line


@pytest.mark.parametrize("words", [["config"], ["ps"], ["up"], ["sandbox"], ["queue"]], ids=str)
def test_a_data_folder_that_cannot_be_used_is_one_line(
    command: Command, words: list[str], tmp_path: Path
) -> None:
    """A file is where the folder should be, so nobody can create it, not even root."""
    (tmp_path / "file").touch()
    ran = command(*words, settings=load({"WA_CONFIG": ""}, data_dir=tmp_path / "file" / "data"))
    assert "Traceback" not in ran.err
    assert ran.code in (0, 1, 2)


@pytest.mark.parametrize("value", ["~nobody-of-this-name/x", "no\0path"])
def test_a_path_that_cannot_be_resolved_names_its_setting(value: str) -> None:
    """There may be no home folder."""
    from streams.settings import SettingError

    with pytest.raises(SettingError, match="WA_DATA_DIR"):
        load({"WA_CONFIG": "", "WA_DATA_DIR": value})


@pytest.mark.parametrize("kind", [KeyboardInterrupt, EOFError])
def test_an_interrupt_is_130_and_a_refusal_is_1(
    command: Command, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    """Ctrl-C, also while a command is imported, is not the same as an answer of No."""

    def interrupt(*_: object) -> None:
        raise kind

    monkeypatch.setattr(command_line.importlib, "import_module", interrupt)
    ran = command("config")
    assert ran.code == (130 if kind is KeyboardInterrupt else 1)
    assert ("interrupted" in ran.err) == (kind is KeyboardInterrupt)
    assert ("--yes" in ran.err) == (kind is EOFError)


# -- as processes


def run_shell(line: str, tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[bytes]:
    program = f"{sys.executable} -m streams.cli"
    return subprocess.run(
        ["bash", "-c", line.replace("wa-streams", program)],
        capture_output=True,
        cwd=tmp_path,
        timeout=60,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(command_line.__file__).parents[2]),
            "WA_CONFIG": "",
            "WA_DATA_DIR": str(tmp_path / "data"),
            **environ,
        },
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("wa-streams config >&-", 0),
        ("wa-streams config 2>&- >&- <&-", 0),
        ("wa-streams config >/dev/full", 1),
        ("wa-streams nope 2>/dev/full", 2),
        ("wa-streams config | true; exit ${PIPESTATUS[0]}", 0),
        ("wa-streams nope 2>&1 | true; exit ${PIPESTATUS[0]}", 2),
        ("LANG=C LC_ALL=C PYTHONCOERCECLOCALE=0 PYTHONUTF8=0 wa-streams send --help", 0),
        ("PYTHONIOENCODING=ascii wa-streams doctor --help", 0),
        (r"PYTHONIOENCODING=ascii wa-streams $'caf\xe9'", 2),
        (r"wa-streams queue $'caf\xe9\u00e9'", 2),
        (r"printf '\xe9\n' | WA_KAFKA_BOOTSTRAP_SERVERS=x:1 wa-streams accounts remove main", 1),
        ("mkdir gone && cd gone && rmdir ../gone && wa-streams ps", 2),
    ],
)
def test_streams_and_terminals_of_any_kind(line: str, code: int, tmp_path: Path) -> None:
    """Closed, full, without a reader, in another encoding, without HOME."""
    ended = run_shell(line, tmp_path)
    assert b"Traceback" not in ended.stderr + ended.stdout
    assert b"Exception ignored" not in ended.stderr
    assert ended.returncode == code, ended.stderr


@pytest.mark.parametrize("delay_s", [0.05, 0.2, 0.5])
def test_ctrl_c_twice_during_the_start_is_one_line(delay_s: float, tmp_path: Path) -> None:
    """While Python imports, while the command does, and while it ends."""
    program = (
        "import sys\n"
        "from streams.cli.__main__ import main\n"
        "print('started', flush=True)\n"
        "sys.argv = ['wa-streams', 'status']\n"
        "main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(command_line.__file__).parents[2]),
            "WA_CONFIG": "",
            "WA_DATA_DIR": str(tmp_path),
            "WA_KAFKA_BOOTSTRAP_SERVERS": "192.0.2.1:9",  # answers nothing
        },
    )
    with contextlib.closing(process.stdout) as stdout:  # type: ignore[type-var]
        assert stdout.readline() == b"started\n"  # type: ignore[union-attr]
        for _ in range(2):
            time.sleep(delay_s)
            process.send_signal(signal.SIGINT)
    with contextlib.closing(process.stderr) as stderr:  # type: ignore[type-var]
        err = stderr.read()  # type: ignore[union-attr]
    assert process.wait(30) in (130, -signal.SIGINT)
    assert b"Traceback" not in err, err
    assert b"Exception ignored" not in err, err
