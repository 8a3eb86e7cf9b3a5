"""The browsers that senders keep, as `ps` shows them: found by the pid that each one leaves behind."""

from dataclasses import dataclass, field
from pathlib import Path

import psutil

from streams.local.run_dir import ServiceStatus
from streams.supervisor.service import Service, ServiceState


@dataclass(slots=True)
class BrowserTracker:
    """The browser of one account. Its sender starts it, and starts it again."""

    account: str
    profile: Path
    sender: Service
    _pids: list[int] = field(default_factory=list)

    def get_status(self) -> ServiceStatus:
        """Where it stands now; a pid that was not seen before is a restart."""
        pid = _read_live_pid(self.profile / ".wa-streams" / "browser.pid")
        if pid is not None and self._pids[-1:] != [pid]:
            self._pids.append(pid)
        return ServiceStatus(
            name=f"browser-{self.account}",
            pid=pid,
            state=str(self._infer_state(pid)),
            restarts=max(0, len(self._pids) - 1),
        )

    def _infer_state(self, pid: int | None) -> ServiceState:
        if self.sender.pid is None:
            return ServiceState.STOPPED
        is_ready = pid is not None and self.sender.state is ServiceState.READY
        return ServiceState.READY if is_ready else ServiceState.STARTING


def _read_live_pid(pid_file: Path) -> int | None:
    try:
        process = psutil.Process(int(pid_file.read_text()))
        # A pid that was given to another process since the file was written is told by its start.
        is_reused = process.create_time() > pid_file.stat().st_mtime + 1.0
        return None if is_reused or process.status() == psutil.STATUS_ZOMBIE else process.pid
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None
