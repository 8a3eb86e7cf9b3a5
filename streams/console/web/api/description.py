"""`GET /api/openapi.json`, the description of the HTTP API, and the limit of what the API takes.

The document is built once, when the server starts; `schemas/openapi.json` is the same.
"""

import math
import time
from collections.abc import Callable

import orjson
from aiohttp import web

from streams.console.web.api.token_bucket import TokenBucket
from streams.console.web.problems import Refused, problem
from streams.contract.export import openapi


class Description:
    """The handler."""

    def __init__(self) -> None:
        self._body = orjson.dumps(openapi.build_document())

    def routes(self) -> list[web.RouteDef]:
        """The route and its handler."""
        return [web.get("/api/openapi.json", self.show)]

    async def show(self, _: web.Request) -> web.Response:
        """The document."""
        return web.Response(body=self._body, content_type="application/json")


class MessageLimit:
    """WA_CONSOLE_RATE_PER_MINUTE, for all callers together."""

    def __init__(self, per_minute: int, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._bucket = TokenBucket(per_minute)
        self._monotonic_s = monotonic_s

    def take(self, messages: int) -> None:
        """Raises Refused if it is too much now."""
        wait_s = self._bucket.take(messages, self._monotonic_s())
        if wait_s > 0:
            seconds = math.ceil(wait_s)
            detail = (
                f"more than {self._bucket.capacity} messages in a minute (WA_CONSOLE_RATE_PER_MINUTE): "
                f"try again in {seconds} s"
            )
            raise Refused(problem(429, detail, headers={"Retry-After": str(seconds)}))
