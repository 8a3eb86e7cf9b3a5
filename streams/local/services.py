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
from streams.supervisor.service import Plan, Readiness, Running

_ANSWER = aiohttp.ClientTimeout(total=5.0)
_ROOT = Path(streams.__file__).parents[1]  # of the packages, installed or not
# A sender ends the send that it is in; a dispatcher the event; both then leave their groups.
_SENDER_GRACE_S, _DISPATCHER_GRACE_S, _SANDBOX_GRACE_S = 15.0, 20.0, 10.0

_ENDINGS = {int(each): each.name for each in ExitCode}


def dispatcher(settings: Settings, http: aiohttp.ClientSession, number: int) -> Plan:
    """The n-th dispatcher, from 1 on; the first has the port that users know."""
    name = f"dispatch-{number}"
    port = settings.web_port if number == 1 else 0
    return Plan(
        name=name,
        start=_program(replace(settings, web_port=port), name, "dispatch"),
        ready=_worker(settings, http, name),
        log=log(settings, name),
        grace_s=_DISPATCHER_GRACE_S,
        endings=_ENDINGS,
    )


def sender(settings: Settings, http: aiohttp.ClientSession, account: str) -> Plan:
    """The sender of an account."""
    name = f"sender-{account}"
    return Plan(
        name=name,
        start=_program(replace(settings, web_port=0), name, "sender", "--account", account),
        ready=_worker(settings, http, name),
        log=log(settings, name),
        grace_s=settings.ack_timeout_s + _SENDER_GRACE_S,
        endings=_ENDINGS,
    )


def sandbox(settings: Settings, http: aiohttp.ClientSession, *options: str) -> Plan:
    """The simulated WhatsApp."""
    return Plan(
        name="sandbox",
        start=_program(settings, "sandbox", "sandbox", *options),
        ready=_sandbox(settings, http),
        log=log(settings, "sandbox"),
        grace_s=_SANDBOX_GRACE_S,
    )


def log(settings: Settings, name: str) -> Path:
    """Where a part writes."""
    return settings.data_dir / "logs" / f"{name}.log"


def told(settings: Settings) -> dict[str, str]:
    """The environment of a part. Its working folder's `wa-streams.toml` has been read by us already."""
    nothing_more = run_dir.folder(settings) / "parts.toml"
    nothing_more.parent.mkdir(parents=True, exist_ok=True)
    nothing_more.write_text("")
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    paths = [str(_ROOT), *filter(None, [others.get("PYTHONPATH")])]
    return (
        others
        | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
        | to_environment(settings)
        | {"WA_CONFIG": str(nothing_more)}
    )


def _program(settings: Settings, name: str, *words: str) -> Callable[[], Awaitable[Running]]:
    command = (sys.executable, "-m", "streams.cli", *words, "--name", name)

    async def start() -> Running:
        return await Process.start(command, told(settings), log(settings, name))

    return start


def _worker(
    settings: Settings, http: aiohttp.ClientSession, name: str
) -> Callable[[int], Awaitable[Readiness]]:
    headers = {"Authorization": f"Bearer {settings.web_token}"} if settings.web_token else {}

    async def ready(pid: int) -> Readiness:
        here = run_dir.worker(settings, name)
        if here is None or here.pid != pid:
            return Readiness(False, up=False)
        answer = await _asked(http, f"{here.web}/readyz", headers)
        return Readiness(answer.get("ready") is True, str(answer.get("why") or ""))

    return ready


def _sandbox(
    settings: Settings, http: aiohttp.ClientSession
) -> Callable[[int], Awaitable[Readiness]]:
    async def ready(pid: int) -> Readiness:
        here = run_dir.worker(settings, "sandbox")
        if here is None or here.pid != pid:
            return Readiness(False, up=False)
        answer = await _asked(http, here.web, {})
        return Readiness(answer.get("ready") is True, str(answer.get("why") or ""))

    return ready


async def _asked(
    http: aiohttp.ClientSession, url: str, headers: Mapping[str, str]
) -> dict[str, Any]:
    try:
        async with http.get(url, headers=headers, timeout=_ANSWER) as response:
            answer = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return {"why": f"does not answer ({type(error).__name__})"}
    return answer if isinstance(answer, dict) else {"why": f"answers {response.status}"}
