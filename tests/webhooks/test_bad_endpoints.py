"""Endpoints that hang, redirect, answer for ever, refuse for a day, or are where nothing may be sent."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, web

from streams.domain.webhooks.conclusion import EVENT_BACKOFF
from streams.webhooks import commands
from streams.webhooks.endpoints import load_endpoints
from tests.console.world import OTHER_PHONE, PHONE
from tests.support.waiting import wait_until
from tests.webhooks.receiver import World, open_receiver

pytestmark = pytest.mark.broker

A_DAY_S = 86_400.0
LONG_S = 240.0  # for many steps, each with round trips to Kafka and the receiver


async def step_until(world: World, condition: Any) -> None:
    """Set the clock ahead, further than any back-off, until the condition is true."""

    def step() -> bool:
        world.offset_s += EVENT_BACKOFF.max_delay_s / 10
        return condition()

    await wait_until(step, timeout_s=LONG_S)


async def test_a_hanging_endpoint_holds_up_no_other(world: World) -> None:
    """It has failed when the time is over; the other one gets everything meanwhile."""
    world.with_endpoints(a={}, b={})
    world.settings = replace(world.settings, webhooks_timeout_s=1)
    receiver = world.receiver

    async def hang(_: web.Request, __: Any) -> web.StreamResponse:
        await receiver.released.wait()
        return web.Response()

    receiver.answers["/a"] = hang
    async with world.deliver():
        await wait_until(world.is_reading)
        for n in range(20):
            await world.topics.put_event(f"m{n}", "sent")
        # The time limit is also that of b: on a slow machine, an answer may come too late and be repeated.
        expected = [f"m{n}" for n in range(20)]
        await wait_until(lambda: list(dict.fromkeys(receiver.ids("/b"))) == expected)
        await wait_until(lambda: world.report().failures >= 1)
        assert world.report().reason == "no answer within 1 s"
        assert set(receiver.tried()) == {"m0"}


async def test_redirects_and_endless_bodies(world: World) -> None:
    """A redirect is not followed, and is a failure; of an endless body only a little is read."""
    receiver = world.receiver
    written = 0

    async def redirect(_: web.Request, __: Any) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(f"{receiver.url}/elsewhere")

    async def never_end(request: web.Request, event: Any) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        receiver.events.setdefault(request.path, []).append(event)
        while True:
            await response.write(b"x" * 65_536)
            written += 65_536
            await asyncio.sleep(0)

    world.with_endpoints(a={}, b={})
    receiver.answers |= {"/a": redirect, "/b": never_end}
    async with world.deliver():
        await wait_until(world.is_reading)
        for n in range(3):
            await world.topics.put_event(f"m{n}", "sent")
        await wait_until(lambda: receiver.ids("/b") == ["m0", "m1", "m2"])
        await wait_until(lambda: world.report().failures >= 1)
        assert world.report().reason == "status 307"
        await wait_until(lambda: world.report("b").waiting == 0)
    assert "/elsewhere" not in receiver.tries
    assert written < 100 << 20


async def test_gone_pauses_until_a_person_resumes(world: World) -> None:
    """Nothing more is sent, what comes waits in Kafka, and after the resume everything arrives."""
    receiver = world.receiver
    receiver.answers["/a"] = 410
    async with world.deliver() as webhooks:
        await wait_until(world.is_reading)
        await world.topics.put_event("one", "sent")
        await wait_until(lambda: world.report().paused == "gone")
        receiver.answers["/a"] = 200
        await world.topics.put_event("two", "sent")
        world.offset_s += A_DAY_S
        async with ClientSession() as http, http.get(f"{webhooks.server.url}/metrics") as response:
            assert 'wa_webhook_paused{endpoint="a"} 1.0' in await response.text()
        assert receiver.tried() == ["one"]
        commands.run(world.settings, commands.resume("a"))
        await wait_until(lambda: receiver.ids() == ["one", "two"])
        assert world.report().state == "works"
        commands.run(world.settings, commands.pause("a", 0.0))
        await wait_until(lambda: webhooks.is_paused("a"))
        await world.topics.put_event("three", "sent")
        commands.run(world.settings, commands.resume("a"))
        await wait_until(lambda: receiver.ids() == ["one", "two", "three"])


@pytest.mark.timeout(900)
async def test_a_day_of_failures(world: World) -> None:
    """An endpoint that takes nothing is paused and keeps its events; one event that alone fails is given up."""
    world.with_endpoints(a={}, b={})
    receiver = world.receiver
    receiver.answers["/a"] = 500

    async def refuse_one(request: web.Request, event: Any) -> web.StreamResponse:
        if event["data"]["to"] == PHONE:
            return web.Response(status=422)
        receiver.events.setdefault(request.path, []).append(event)
        return web.Response()

    receiver.answers["/b"] = refuse_one
    sent = 0

    async def step() -> bool:
        """The other recipient's messages go on, so that endpoint b is known to work."""
        nonlocal sent
        world.offset_s += EVENT_BACKOFF.max_delay_s
        sent += 1
        await world.topics.put_event(f"q{sent}", "sent", to=OTHER_PHONE)
        await wait_until(lambda: len(receiver.events.get("/b", [])) >= sent)
        return world.report("b").given_up == 1

    async with world.deliver():
        await wait_until(world.is_reading)
        await world.topics.put_event("poison", "sent")
        await wait_until(step, timeout_s=LONG_S)
        await step_until(world, lambda: world.report().paused == "failing")
        assert world.report().waiting >= 1
        assert world.report().given_up == 0
        (event,) = world.given_up()
        assert (event.endpoint, event.type, event.recipient) == ("b", "wa.message.sent", PHONE)
        assert event.reason == "status 422"
        receiver.answers |= {"/a": 200, "/b": 200}
        assert commands.run(world.settings, commands.retry_given_up("b", (), world.now_s())) == 1
        commands.run(world.settings, commands.resume("a"))
        await wait_until(lambda: "poison" in receiver.ids("/b"))
        await wait_until(lambda: len(receiver.ids("/a")) == sent + 1)
    # In order for each recipient: the poison is another one's, and may come at any place.
    ids = receiver.ids("/a")
    assert [id for id in ids if id != "poison"] == [f"q{n}" for n in range(1, sent + 1)]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "10.0.0.1"])
async def test_addresses_that_are_not_public_are_refused(world: World, host: str) -> None:
    """Without a connection, unless the operator allows the network."""
    async with open_receiver() as other:
        url = other.url.replace("127.0.0.1", host) + "/a"
        world.with_endpoints(a={"url": url})
        settings = replace(world.settings, webhooks_allowed_networks=())
        answer = await commands.send_test_event(settings, load_endpoints(settings)["a"], 0.0)
        assert not answer.is_success
        assert "WA_WEBHOOKS_ALLOWED_NETWORKS" in answer.error
        assert other.tries == {}
