"""The client that posts to endpoints: the status is the answer, whatever comes after it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from streams.domain.webhooks.conclusion import Answer
from streams.settings import Settings
from streams.webhooks.client import EndpointClient
from tests.webhooks.receiver import LOOPBACK, Receiver, open_receiver

HEADERS = {"webhook-id": "msg_1", "webhook-timestamp": "1"}
TIMEOUT_S = 5


@pytest.mark.parametrize("ends", ["hangs", "breaks"])
async def test_a_body_that_does_not_end_changes_no_answer(ends: str) -> None:
    """The event has arrived: to send it again would be a repeat."""
    async with open_receiver() as receiver:
        receiver.answers["/a"] = _answer_with_half_a_body(receiver, ends)
        settings = replace(
            Settings(), webhooks_allowed_networks=LOOPBACK, webhooks_timeout_s=TIMEOUT_S
        )
        async with EndpointClient(settings, body_timeout_s=TIMEOUT_S + 1) as client:
            answer = await client.post(f"{receiver.url}/a", HEADERS, b'{"data":{}}')
        assert answer == Answer(status=200, retry_after_s=7.0)


def _answer_with_half_a_body(receiver: Receiver, ends: str) -> Any:
    async def handle(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": "100", "retry-after": "7"})
        await response.prepare(request)
        await response.write(b"half")
        if ends == "hangs":
            async with asyncio.timeout(60):
                await receiver.released.wait()
        assert request.transport is not None
        request.transport.close()
        return response

    return handle
