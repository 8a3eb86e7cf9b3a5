"""What `wa-streams ps --json` prints: the whole stack and each of its services. The names are part of the contract."""

import msgspec

from streams.settings import Settings


class ServiceStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """One service in `ps`; `web` is the address of its probes."""

    name: str
    pid: int | None
    state: str
    restarts: int
    reason: str = ""
    web: str | None = None


class StackStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The stack on a data folder. `pid` and `since` (epoch seconds) are those of the `up` process."""

    ready: bool
    kafka: str | None
    web: str | None
    sandbox: str | None
    parts: list[ServiceStatus]
    data_dir: str
    pid: int | None = None
    since: float = 0.0


def make_empty_status(settings: Settings) -> StackStatus:
    """The status of a data folder on which no `up` runs."""
    return StackStatus(
        ready=False,
        kafka=None,
        web=None,
        sandbox=None,
        parts=[],
        data_dir=str(settings.data_dir),
    )
