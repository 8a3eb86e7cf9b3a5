"""The service on the session's broker: a running one per module, or one that a test may harm.

Each has a sandbox of its own, since a sandbox that another test resets forgets who is linked.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.kafka import admin
from tests.support.broker import make_settings
from tests.support.browser import SandboxControl
from tests.support.caller import Caller
from tests.support.sandbox import Sandbox
from tests.support.sandbox import run_sandbox as running_sandbox
from tests.support.system import SystemUnderTest
from tests.support.whatsapp import link_account

QUICK: dict[str, Any] = {
    "account_rate_per_minute": 0,
    "send_interval_ms": 0,
    "retry_delay_ms": 200,
    "lookup_cache_s": 1,
    "ack_timeout_s": 3,
}


@pytest.fixture(scope="module")
def module_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The sandbox of `running`."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as (sandbox, _):
        yield sandbox


@pytest.fixture(scope="module")
def running(
    broker: Any, module_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SystemUnderTest]:
    """A dispatcher and a linked sender, shared by the tests of a module, which must not harm them."""
    system = _system(broker, module_sandbox, tmp_path_factory.mktemp("running"))
    try:
        asyncio.run(_start(system, SandboxControl(module_sandbox.control_url)))
        yield system
    finally:
        system.stop()


@pytest.fixture
def module_control(module_sandbox: Sandbox) -> SandboxControl:
    """The control of `running`'s sandbox."""
    return SandboxControl(module_sandbox.control_url)


@pytest.fixture
async def service(
    broker: Any, tmp_path: Path
) -> AsyncIterator[tuple[SystemUnderTest, SandboxControl]]:
    """A dispatcher, a linked sender and a sandbox of its own, which the test may harm."""
    with running_sandbox(tmp_path / "sandbox") as (sandbox, _):
        system, control = _system(broker, sandbox, tmp_path), SandboxControl(sandbox.control_url)
        try:
            await _start(system, control)
            yield system, control
        finally:
            await asyncio.to_thread(system.stop)


def _system(broker: Any, sandbox: Sandbox, data_dir: Path) -> SystemUnderTest:
    arguments = tuple(sandbox.browser_args)
    return SystemUnderTest(
        make_settings(broker, data_dir, whatsapp_browser_args=arguments, **QUICK)
    )


async def _start(system: SystemUnderTest, control: SandboxControl) -> None:
    await admin.create_topics(system.settings)
    dispatcher, sender = system.start_dispatcher(), system.start_sender()
    async with Caller(system.settings).open() as caller:
        await asyncio.gather(dispatcher.wait_until_ready(), link_account(caller, control))
    await sender.wait_until_ready()
