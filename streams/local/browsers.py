"""The browsers that senders keep, as `ps` shows them: found by the pid that each one leaves behind."""

from dataclasses import dataclass, field
from pathlib import Path

import psutil

from streams.local.run_dir import ShownPart
from streams.supervisor.service import Part, State


@dataclass(slots=True)
class Browser:
    """The browser of one account. Its sender starts it, and starts it again."""

    account: str
    profile: Path
    sender: Part
    _seen: list[int] = field(default_factory=list)

    def shown(self) -> ShownPart:
        """Where it stands now; a pid that was not seen before is a restart."""
        pid = _running(self.profile / ".wa-streams" / "browser.pid")
        if pid is not None and self._seen[-1:] != [pid]:
            self._seen.append(pid)
        return ShownPart(
            name=f"browser-{self.account}",
            pid=pid,
            state=str(self._state(pid)),
            restarts=max(0, len(self._seen) - 1),
        )

    def _state(self, pid: int | None) -> State:
        if self.sender.pid is None:
            return State.STOPPED
        ready = pid is not None and self.sender.state is State.READY
        return State.READY if ready else State.STARTING


def _running(pid_file: Path) -> int | None:
    try:
        process = psutil.Process(int(pid_file.read_text()))
        # A pid that was given to another process since the file was written is told by its start.
        young = process.create_time() > pid_file.stat().st_mtime + 1.0
        return None if young or process.status() == psutil.STATUS_ZOMBIE else process.pid
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None
