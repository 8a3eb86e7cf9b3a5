"""Wall clocks that a test sets: a preloaded shim adds an offset to CLOCK_REALTIME of the processes that it names.

Only the wall clock moves, and it may move while a process runs. The shim is compiled once a session, by `cc`.

    clock = SteppedClock(tmp_path / "dispatcher.clock")
    system.start_worker("dispatch", name="dispatch-1", **clock.environ())
    clock.step(600.0)
"""

import functools
import mmap
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

_OFFSET = struct.Struct("=q")
_SOURCE = Path(__file__).with_name("shim.c")


class SteppedClock:
    """The wall clock of the processes that are started with `environ`; in step with this host's until it is set."""

    def __init__(self, path: Path, offset_s: float = 0.0) -> None:
        """`path`: a file of its own."""
        self._path = path
        path.write_bytes(_OFFSET.pack(0))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _OFFSET.size)
        self.set(offset_s)

    @property
    def offset_s(self) -> float:
        """How far it is ahead of this host's clock."""
        return _OFFSET.unpack(self._page[:])[0] / 1e9

    def set(self, offset_s: float) -> None:
        """The clock is this far ahead of the host's from now on."""
        self._page[:] = _OFFSET.pack(round(offset_s * 1e9))

    def step(self, by_s: float) -> None:
        """The clock is moved by this much."""
        self.set(self.offset_s + by_s)

    def environ(self) -> dict[str, str]:
        """What a process needs in its environment to have this clock; its children have it too."""
        return {"LD_PRELOAD": str(compile_shim()), "SHIM_CLOCK_FILE": str(self._path)}


@functools.cache
def compile_shim() -> Path:
    """The compiled shim, in a folder that outlives this process, since others may still run with it."""
    compiler = shutil.which("cc")
    assert compiler is not None, "a C compiler is needed: install gcc or clang"
    library = Path(tempfile.mkdtemp(prefix="wa-streams-clock-")) / "clock.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, _SOURCE]
    subprocess.run([*command, "-ldl"], check=True)
    return library
