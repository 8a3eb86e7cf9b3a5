"""How each service of `up` runs: its command, its environment, its readiness probe, its grace period.

A service gets its settings from its environment and from nothing else. `up` passes on what it has read
from its own environment and from its settings file, so that all services of one `up` agree.
"""

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

import streams
from streams.local import run_dir
from streams.observability.run_file import read_run_file
from streams.runtime.exit_codes import ExitCode
from streams.settings import PREFIX, Settings, to_environment
from streams.supervisor.process import Process
from streams.supervisor.service import Readiness, RunningProcess, ServiceSpec

_PROBE_TIMEOUT = aiohttp.ClientTimeout(total=5.0)
_PACKAGE_ROOT = Path(streams.__file__).parents[
    1
]  # so that a service finds the package, installed or not
# A sender finishes its current send, a dispatcher its current event; both then leave their groups.
_SENDER_GRACE_S, _DISPATCHER_GRACE_S, _SANDBOX_GRACE_S = 15.0, 20.0, 10.0
_CONSOLE_GRACE_S = 10.0
_WEBHOOKS_GRACE_S = 10.0  # a delivery in flight is repeated

_EXIT_NAMES = {int(code): code.name for code in ExitCode}


def build_dispatcher_spec(
    settings: Settings, http: aiohttp.ClientSession, number: int
) -> ServiceSpec:
    """The n-th dispatcher, counted from 1. WA_WEB_PORT is the console's: it listens on any port."""
    name = f"dispatch-{number}"
    return ServiceSpec(
        name=name,
        start=_make_start(replace(settings, web_port=0), name, "dispatch"),
        probe=_make_worker_probe(settings, http, name),
        log=get_log_path(settings, name),
        grace_s=_DISPATCHER_GRACE_S,
        exit_names=_EXIT_NAMES,
    )


def build_sender_spec(settings: Settings, http: aiohttp.ClientSession, account: str) -> ServiceSpec:
    """The sender of an account."""
    name = f"sender-{account}"
    command = ("sender", "--account", account, "--no-qr")  # `up` shows the code
    return ServiceSpec(
        name=name,
        start=_make_start(replace(settings, web_port=0), name, *command),
        probe=_make_worker_probe(settings, http, name),
        log=get_log_path(settings, name),
        grace_s=settings.ack_timeout_s + _SENDER_GRACE_S,
        exit_names=_EXIT_NAMES,
    )


def build_console_spec(settings: Settings, http: aiohttp.ClientSession) -> ServiceSpec:
    """The console, on WA_WEB_PORT."""
    return ServiceSpec(
        name="console",
        start=_make_start(settings, "console", "console"),
        probe=_make_worker_probe(settings, http, "console"),
        log=get_log_path(settings, "console"),
        grace_s=_CONSOLE_GRACE_S,
    )


def build_webhooks_spec(settings: Settings, http: aiohttp.ClientSession) -> ServiceSpec:
    """The webhooks. They listen on any port."""
    return ServiceSpec(
        name="webhooks",
        start=_make_start(replace(settings, web_port=0), "webhooks", "webhooks"),
        probe=_make_worker_probe(settings, http, "webhooks"),
        log=get_log_path(settings, "webhooks"),
        grace_s=_WEBHOOKS_GRACE_S,
    )


def build_sandbox_spec(
    settings: Settings, http: aiohttp.ClientSession, *options: str
) -> ServiceSpec:
    """The sandbox: the simulated WhatsApp."""
    return ServiceSpec(
        name="sandbox",
        start=_make_start(settings, "sandbox", "sandbox", *options),
        probe=_make_sandbox_probe(settings, http),
        log=get_log_path(settings, "sandbox"),
        grace_s=_SANDBOX_GRACE_S,
    )


def get_log_path(settings: Settings, name: str) -> Path:
    """The log of a service."""
    return settings.data_dir / "logs" / f"{name}.log"


def env_for(settings: Settings) -> dict[str, str]:
    """The environment of a service. WA_CONFIG names an empty file: `up` has read the settings file already."""
    empty_config = run_dir.get_path(settings) / "services.toml"
    empty_config.parent.mkdir(parents=True, exist_ok=True)
    empty_config.write_text("")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    paths = [str(_PACKAGE_ROOT), *filter(None, [inherited.get("PYTHONPATH")])]
    return (
        inherited
        | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
        | to_environment(settings)
        | {"WA_CONFIG": str(empty_config)}
    )


def _make_start(
    settings: Settings, name: str, *arguments: str
) -> Callable[[], Awaitable[RunningProcess]]:
    command = (sys.executable, "-m", "streams.cli", *arguments, "--name", name)

    async def start() -> RunningProcess:
        return await Process.start(command, env_for(settings), get_log_path(settings, name))

    return start


def _make_worker_probe(
    settings: Settings, http: aiohttp.ClientSession, name: str
) -> Callable[[int], Awaitable[Readiness]]:
    headers = {"Authorization": f"Bearer {settings.web_token}"} if settings.web_token else {}

    async def probe(pid: int) -> Readiness:
        run_file = read_run_file(settings.data_dir, name)
        if run_file is None or run_file.pid != pid:
            return Readiness(False, is_up=False)
        return await _fetch_readiness(http, f"{run_file.web}/readyz", headers)

    return probe


def _make_sandbox_probe(
    settings: Settings, http: aiohttp.ClientSession
) -> Callable[[int], Awaitable[Readiness]]:
    async def probe(pid: int) -> Readiness:
        run_file = read_run_file(settings.data_dir, "sandbox")
        if run_file is None or run_file.pid != pid:
            return Readiness(False, is_up=False)
        return await _fetch_readiness(http, run_file.web, {})

    return probe


async def _fetch_readiness(
    http: aiohttp.ClientSession, url: str, headers: Mapping[str, str]
) -> Readiness:
    try:
        async with http.get(url, headers=headers, timeout=_PROBE_TIMEOUT) as response:
            body: Any = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Readiness(False, f"does not answer ({type(error).__name__})")
    if not isinstance(body, dict):
        return Readiness(False, f"answers {response.status}")
    return Readiness(body.get("ready") is True, str(body.get("reason") or ""))
