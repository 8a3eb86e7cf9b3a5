"""Commands, run in this process with settings of the test.

Not `up` and `demo`: they kill every child of this process.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.cli.main import run
from streams.settings import Settings, load, to_environment


@dataclass
class CommandResult:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str
    objects: list[Any] = field(default_factory=list)

    @property
    def error_line(self) -> str:
        """The only line on stderr."""
        assert self.err.count("\n") == 1, f"not one line: {self.err!r}"
        assert self.err.startswith("wa-streams: ")
        return self.err.strip()


Command = Callable[..., CommandResult]


@pytest.fixture
def command(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """Runs `wa-streams …` with these settings in its environment, else with an empty data folder."""

    def run_command(*words: str, settings: Settings | None = None) -> CommandResult:
        bare = load({"WA_CONFIG": ""}, data_dir=tmp_path / "data")
        with monkeypatch.context() as environ:
            for name, value in to_environment(settings or bare).items():
                environ.setenv(name, value)
            capfdbinary.readouterr()
            code = run(words)
        out, err = capfdbinary.readouterr()
        objects = [orjson.loads(line) for line in out.splitlines() if line.startswith(b"{")]
        return CommandResult(code, out.decode(), err.decode(), objects)

    monkeypatch.chdir(tmp_path)
    return run_command
