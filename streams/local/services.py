"""How each part of an `up` is run: its command, its settings, its question of readiness, its grace.

A part is told its settings by its environment, and nothing else: what stands in the environment or in
a file of ours is told again, so that all parts of one `up` agree.
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
from streams.runtime.exit_codes import ExitCode
from streams.settings import PREFIX, Settings, to_environment
from streams.supervisor.process import Process
from streams.supervisor.service import Readiness, RunningProcess, ServiceSpec

_PROBE_TIMEOUT = aiohttp.ClientTimeout(total=5.0)
_PACKAGE_ROOT = Path(streams.__file__).parents[1]  # of the packages, installed or not
# A sender ends the send that it is in; a dispatcher the event; both then leave their groups.
_SENDER_GRACE_S, _DISPATCHER_GRACE_S, _SANDBOX_GRACE_S = 15.0, 20.0, 10.0

_EXIT_NAMES = {int(each): each.name for each in ExitCode}


def build_dispatcher_spec(
    settings: Settings, http: aiohttp.ClientSession, number: int
) -> ServiceSpec:
    """The n-th dispatcher, from 1 on; the first has the port that users know."""
    name = f"dispatch-{number}"
    port = settings.web_port if number == 1 else 0
    return ServiceSpec(
        name=name,
        start=_make_start(replace(settings, web_port=port), name, "dispatch"),
        probe=_make_worker_probe(settings, http, name),
        log=get_log_path(settings, name),
        grace_s=_DISPATCHER_GRACE_S,
        exit_names=_EXIT_NAMES,
    )


def build_sender_spec(settings: Settings, http: aiohttp.ClientSession, account: str) -> ServiceSpec:
    """The sender of an account."""
    name = f"sender-{account}"
    return ServiceSpec(
        name=name,
        start=_make_start(replace(settings, web_port=0), name, "sender", "--account", account),
        probe=_make_worker_probe(settings, http, name),
        log=get_log_path(settings, name),
        grace_s=settings.ack_timeout_s + _SENDER_GRACE_S,
        exit_names=_EXIT_NAMES,
    )


def build_sandbox_spec(
    settings: Settings, http: aiohttp.ClientSession, *options: str
) -> ServiceSpec:
    """The simulated WhatsApp."""
    return ServiceSpec(
        name="sandbox",
        start=_make_start(settings, "sandbox", "sandbox", *options),
        probe=_make_sandbox_probe(settings, http),
        log=get_log_path(settings, "sandbox"),
        grace_s=_SANDBOX_GRACE_S,
    )


def get_log_path(settings: Settings, name: str) -> Path:
    """Where a part writes."""
    return settings.data_dir / "logs" / f"{name}.log"


def env_for(settings: Settings) -> dict[str, str]:
    """The environment of a part. Its working folder's `wa-streams.toml` has been read by us already."""
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
        here = run_dir.read_run_file(settings, name)
        if here is None or here.pid != pid:
            return Readiness(False, is_up=False)
        answer = await _fetch_json(http, f"{here.web}/readyz", headers)
        return Readiness(answer.get("ready") is True, str(answer.get("reason") or ""))

    return probe


def _make_sandbox_probe(
    settings: Settings, http: aiohttp.ClientSession
) -> Callable[[int], Awaitable[Readiness]]:
    async def probe(pid: int) -> Readiness:
        here = run_dir.read_run_file(settings, "sandbox")
        if here is None or here.pid != pid:
            return Readiness(False, is_up=False)
        answer = await _fetch_json(http, here.web, {})
        return Readiness(answer.get("ready") is True, str(answer.get("reason") or ""))

    return probe


async def _fetch_json(
    http: aiohttp.ClientSession, url: str, headers: Mapping[str, str]
) -> dict[str, Any]:
    try:
        async with http.get(url, headers=headers, timeout=_PROBE_TIMEOUT) as response:
            body = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return {"reason": f"does not answer ({type(error).__name__})"}
    return body if isinstance(body, dict) else {"reason": f"answers {response.status}"}
