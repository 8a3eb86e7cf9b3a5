"""The whole service with two accounts: a dispatcher, two senders with real browsers, and a sandbox.

Tests harm its processes themselves. What it is asked for comes from the commands and probes that a person has.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from streams.kafka import admin
from streams.settings import to_environment
from tests.support.broker import KafkaEndpoint, make_settings
from tests.support.caller import Caller
from tests.support.sandbox import SandboxControl, run_sandbox
from tests.support.system import SystemUnderTest, Worker
from tests.support.waiting import wait_until
from tests.support.whatsapp import link_account

ACCOUNTS = MAIN, SECOND = "main", "second"
_LIMIT = 60  # far above the flow
_POLL_S = 1.0  # between two looks at the queue, which is a process each time


@dataclass
class Service:
    """The running service. `phones` has the number of each account."""

    system: SystemUnderTest
    control: SandboxControl
    caller: Caller
    dispatcher: Worker
    senders: dict[str, Worker]
    phones: dict[str, str]
    environs: Mapping[str, Mapping[str, str]]

    # -- harm

    def freeze_sender(self, account: str) -> None:
        """SIGSTOP."""
        self.senders[account].process.send_signal(signal.SIGSTOP)

    def continue_sender(self, account: str) -> None:
        """SIGCONT."""
        self.senders[account].process.send_signal(signal.SIGCONT)

    def kill_sender_and_browser(self, account: str) -> None:
        """SIGKILL both, as if their host were gone."""
        sender = psutil.Process(self.senders[account].process.pid)
        for process in (sender, *sender.children(recursive=True)):
            process.kill()
        self.senders[account].process.wait(30)

    async def restart_sender(self, account: str) -> None:
        """What `up` does with a sender that was frozen: one that was fenced has ended, and is started again."""

        async def is_back() -> bool:
            if not self.senders[account].is_alive:
                self.senders[account] = _start_sender(self.system, account, self.environs)
            return await self.senders[account].is_ready()

        await wait_until(is_back, timeout_s=120, message=f"{account} did not come back")

    # -- what a person sees

    async def run_command(self, *arguments: str) -> str:
        """What a `wa-streams` command prints."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("WA_")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "streams.cli", *arguments),
            env=clean | to_environment(self.system.settings) | {"WA_CONFIG": ""},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, error = await process.communicate()
        assert process.returncode == 0, error.decode()
        return out.decode()

    async def wait_for_queue(
        self, is_expected: Callable[[Mapping[str, Any]], bool], *phone: str, timeout_s: float = 30.0
    ) -> Mapping[str, Any]:
        """Wait until `wa-streams queue [PHONE] --json` has such a row; returns it."""
        rows: list[dict[str, Any]] = []

        async def find_row() -> Mapping[str, Any] | None:
            rows[:] = _parse_rows(await self.run_command("queue", *phone, "--json"))
            row = next((row for row in rows if is_expected(row)), None)
            if row is None:
                await asyncio.sleep(_POLL_S)
            return row

        try:
            return await wait_until(find_row, timeout_s=timeout_s)
        except AssertionError:
            raise AssertionError(f"the queue never shows it: {rows}") from None

    async def wait_for_health(
        self, is_expected: Callable[[Mapping[str, Any]], bool], timeout_s: float = 30.0
    ) -> Mapping[str, Any]:
        """Wait until the dispatcher's `/health/whatsapp` says so; returns the document."""
        document: dict[str, Any] = {}

        async def fetch() -> Mapping[str, Any] | None:
            document.update(json.loads(await _fetch(self.dispatcher, "/health/whatsapp")))
            return document if is_expected(document) else None

        try:
            return await wait_until(fetch, timeout_s=timeout_s)
        except AssertionError:
            raise AssertionError(f"/health/whatsapp never says so: {document}") from None

    async def wait_for_metric(
        self, sample: str, minimum: float, worker: Worker | None = None, timeout_s: float = 30.0
    ) -> float:
        """Wait until a sample, such as `wa_ready` or `wa_account_state{…}`, is at least this."""
        value = 0.0

        async def is_reached() -> bool:
            nonlocal value
            value = await self.read_metric(sample, worker)
            return value >= minimum

        message = f"{sample} never is {minimum:g}"
        await wait_until(is_reached, timeout_s=timeout_s, message=message)
        return value

    async def read_metric(self, sample: str, worker: Worker | None = None) -> float:
        """The value of this sample; 0 if it does not exist."""
        lines = (await _fetch(worker or self.dispatcher, "/metrics")).splitlines()
        values = (
            line.removeprefix(f"{sample} ") for line in lines if line.startswith(f"{sample} ")
        )
        return float(next(values, 0.0))


def _parse_rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line]


async def _fetch(worker: Worker, path: str) -> str:
    async with aiohttp.request("GET", f"{worker.read_url()}{path}") as response:
        return await response.text()


@asynccontextmanager
async def run_service(
    broker: KafkaEndpoint,
    folder: Path,
    *,
    environs: Mapping[str, Mapping[str, str]] | None = None,
    accounts: Sequence[str] = ACCOUNTS,
    **overrides: Any,
) -> AsyncIterator[Service]:
    """The service with linked accounts. `environs`: variables of a worker, by its name."""
    with run_sandbox(folder / "sandbox") as (sandbox, _):
        defaults: dict[str, Any] = {
            "accounts": list(accounts),
            "rate_limit_per_minute": _LIMIT,
            "account_rate_per_minute": 0,
            "send_interval_ms": 0,
            "retry_delay_ms": 500,
            "ack_timeout_s": 5,
            "whatsapp_browser_args": list(sandbox.browser_args),
        }
        settings = make_settings(broker, folder / "data", **(defaults | overrides))
        await admin.create_topics(settings)
        system, control = SystemUnderTest(settings), SandboxControl(sandbox.control_url)
        try:
            async with Caller(settings).open() as caller:
                yield await _start(system, control, caller, environs or {})
        finally:
            await asyncio.to_thread(system.stop)


async def _start(
    system: SystemUnderTest,
    control: SandboxControl,
    caller: Caller,
    environs: Mapping[str, Mapping[str, str]],
) -> Service:
    name = "dispatch-1"
    dispatcher = system.start_worker("dispatch", name=name, **environs.get(name, {}))
    accounts = system.settings.accounts
    senders = {account: _start_sender(system, account, environs) for account in accounts}
    records = await asyncio.gather(*(link_account(caller, control, each) for each in accounts))
    for worker in (dispatcher, *senders.values()):
        await worker.wait_until_ready()
    phones = {record["account"]: record["phone"] for record in records}
    return Service(system, control, caller, dispatcher, senders, phones, environs)


def _start_sender(
    system: SystemUnderTest, account: str, environs: Mapping[str, Mapping[str, str]]
) -> Worker:
    name = f"sender-{account}"
    return system.start_worker("sender", "--account", account, name=name, **environs.get(name, {}))
