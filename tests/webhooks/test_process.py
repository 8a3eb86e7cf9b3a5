"""The command as a process of its own: it is killed while events are in flight, and `up` runs it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from streams.local import services
from streams.settings import Settings, to_environment
from tests.support.waiting import wait_until
from tests.webhooks.receiver import World

pytestmark = pytest.mark.broker


@asynccontextmanager
async def run_process(settings: Settings) -> AsyncIterator[subprocess.Popen[bytes]]:
    """`wa-streams webhooks`; it is killed at the end."""
    environment = os.environ | to_environment(replace(settings, web_port=0)) | {"WA_CONFIG": ""}
    command = (sys.executable, "-m", "streams.cli", "webhooks")
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        await asyncio.to_thread(process.communicate)


async def test_a_kill_repeats_what_was_in_flight_and_loses_nothing(world: World) -> None:
    """The repeat has the same id; everything of the recipient arrives in order."""
    receiver = world.receiver

    async def hang(request: web.Request, _: Any) -> web.StreamResponse:
        await receiver.released.wait()
        return web.Response(status=503)

    async with run_process(world.settings) as process:
        await wait_until(lambda: process.poll() is not None or world.is_reading())
        assert process.poll() is None
        await world.topics.put_event("one", "sent")
        await wait_until(lambda: receiver.ids() == ["one"])
        receiver.answers["/a"] = hang
        for id in ("two", "three"):
            await world.topics.put_event(id, "sent")
        await wait_until(lambda: receiver.tried() == ["one", "two"])
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait)
    receiver.answers["/a"] = 200
    async with run_process(world.settings):
        await wait_until(lambda: receiver.ids() == ["one", "two", "three"])
    tries = receiver.tries["/a"]
    assert [event["data"]["id"] for event in tries] == ["one", "two", "two", "three"]
    assert tries[1]["webhook_id"] == tries[2]["webhook_id"]


async def test_a_second_process_on_the_data_folder_is_refused(world: World) -> None:
    """It would deliver everything a second time."""
    async with world.deliver(), run_process(world.settings) as process:
        _, errors = await asyncio.to_thread(process.communicate, None, 120.0)
        assert process.returncode == 2
        assert b"another process delivers webhooks" in errors


async def test_the_service_of_up_has_its_own_command(world: World) -> None:
    """`up` starts it with the settings that it has read, on any port."""
    spec = services.build_webhooks_spec(world.settings, None)  # type: ignore[arg-type]
    assert spec.name == "webhooks"
    process = await spec.start()
    try:
        await wait_until(world.is_reading)
        await world.topics.put_event("one", "sent")
        await wait_until(lambda: world.receiver.ids() == ["one"])
    finally:
        process.kill()
        await process.wait_for_exit()
