"""The browsers that senders run, as `ps` shows them: each is found by the pid file that it leaves.

Starts and ends no browser.
"""

from dataclasses import dataclass, field
from pathlib import Path

from streams.local.status import ServiceStatus
from streams.supervisor.service import Service, ServiceState
from streams.system import processes


@dataclass(slots=True)
class BrowserTracker:
    """The browser of one account. The sender starts and restarts it."""

    account: str
    profile: Path
    sender: Service
    _pids: list[int] = field(default_factory=list)

    def get_status(self) -> ServiceStatus:
        """The browser's current status; a pid that was not seen before counts as a restart."""
        pid = self._read_pid()
        if pid is not None and self._pids[-1:] != [pid]:
            self._pids.append(pid)
        return ServiceStatus(
            name=f"browser-{self.account}",
            pid=pid,
            state=str(self._infer_state(pid)),
            restarts=max(0, len(self._pids) - 1),
        )

    def _read_pid(self) -> int | None:
        process = processes.read_pid_file(self.profile / ".wa-streams" / "browser.pid")
        return process.pid if process is not None and processes.is_running(process.pid) else None

    def _infer_state(self, pid: int | None) -> ServiceState:
        if self.sender.pid is None:
            return ServiceState.STOPPED
        is_ready = pid is not None and self.sender.state is ServiceState.READY
        return ServiceState.READY if is_ready else ServiceState.STARTING
