"""Commands, run in this process with settings of the test's own.

Not `up` and `demo`: they end whatever this process has started.
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
class Ran:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str
    objects: list[Any] = field(default_factory=list)

    @property
    def complaint(self) -> str:
        """The one line on stderr."""
        assert self.err.count("\n") == 1, f"not one line: {self.err!r}"
        assert self.err.startswith("wa-streams: ")
        return self.err.strip()


Command = Callable[..., Ran]


@pytest.fixture
def command(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """Runs `wa-streams …`; `settings` are what its environment says, else a bare data folder."""

    def ran(*words: str, settings: Settings | None = None) -> Ran:
        bare = load({"WA_CONFIG": ""}, data_dir=tmp_path / "data")
        with monkeypatch.context() as environ:
            for name, value in to_environment(settings or bare).items():
                environ.setenv(name, value)
            capfdbinary.readouterr()
            code = run(words)
        out, err = capfdbinary.readouterr()
        objects = [orjson.loads(line) for line in out.splitlines() if line.startswith(b"{")]
        return Ran(code, out.decode(), err.decode(), objects)

    monkeypatch.chdir(tmp_path)
    return ran
