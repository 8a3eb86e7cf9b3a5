"""The HTTP API: `POST /api/messages`, `GET /api/messages/{to}/{id}`, `GET /api/accounts`. JSON, without cookies.

A request is answered with 202 once Kafka has it; what becomes of it is on `wa.status`. Errors are problem details
(RFC 9457).
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson
from aiohttp import web
from aiokafka.errors import KafkaError

from streams.client.requests import EncodedRequest, RequestInvalid, encode_request
from streams.console.model import queries
from streams.console.web.access import Role
from streams.console.web.api.description import MessageLimit
from streams.console.web.console import Console
from streams.console.web.guard import ROLE
from streams.console.web.problems import EXPECTED_ERRORS, Refused, problem, problem_of
from streams.contract import record_size
from streams.contract.headers import TRACEPARENT, TRACESTATE, make_trace_context
from streams.contract.request.kinds import MAX_MEMBERS
from streams.observability.account_status import AccountStatus
from streams.tracing import tracing

MAX_BODY_BYTES: Final = 8 * 1_048_576
_BODY_TIMEOUT_S: Final = 30.0
_PRODUCE_TIMEOUT_S: Final = 30.0
_KEY_HEADER: Final = "Idempotency-Key"
_LINK_FIELDS: Final = ("qr", "pairing_code")


class Api:
    """The handlers."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._limit = MessageLimit(console.settings.console_rate_per_minute)

    def routes(self) -> list[web.RouteDef]:
        """The routes and their handlers."""
        return [
            web.post("/api/messages", self.send),
            web.get("/api/messages/{to}/{id:.+}", self.message),
            web.get("/api/accounts", self.accounts),
        ]

    async def send(self, request: web.Request) -> web.Response:
        """Produce one request or an array of them, all or none."""
        try:
            requests, is_array = await _read_requests(request)
            max_bytes = self._console.settings.max_request_bytes
            encoded = _encode_all(requests, max_bytes, is_array=is_array)
            self._limit.take(len(encoded))
        except Refused as refusal:
            return refusal.response
        messages = [{"id": item.id, "to": item.to} for item in encoded]
        try:
            async with asyncio.timeout(_PRODUCE_TIMEOUT_S):
                await self._produce(request, encoded)
        except (*EXPECTED_ERRORS, KafkaError) as error:
            # Kafka may have some of them: the same request again, with these ids, sends nothing twice.
            return problem_of(error, messages=messages)
        body = {"messages": messages} if is_array else messages[0]
        return web.Response(status=202, body=orjson.dumps(body), content_type="application/json")

    async def _produce(self, request: web.Request, encoded: list[EncodedRequest]) -> None:
        """With the caller's trace, so that it goes on in everything that follows."""
        trace = make_trace_context(
            *(_get_header(request, name) for name in (TRACEPARENT, TRACESTATE))
        )
        count = {"messaging.batch.message_count": len(encoded)}
        with tracing.span("POST /api/messages", trace, "SERVER", **count) as span:
            await self._console.producer.produce(*encoded, headers=span.context)

    async def message(self, request: web.Request) -> web.Response:
        """What is known of a message: its last status, and all its status events."""
        recipient = self._console.read_recipient(request.match_info["to"])
        id = request.match_info["id"]

        def query(connection: Any) -> tuple[Any, ...]:
            found = queries.find_message(connection, recipient, id)
            return found, queries.list_events(connection, recipient, id)

        try:
            found, events = await self._console.model.read(query)
        except EXPECTED_ERRORS as error:
            return problem_of(error)
        if found is None:
            detail = "no status of this message is known; one that was sent just now has none yet"
            return problem(404, detail)
        if request[ROLE] is not Role.OPERATE:
            events = [{k: v for k, v in event.items() if k != "metadata"} for event in events]
        last = events[-1] if events else {}
        return web.json_response({**last, "events": events}, dumps=_dump)

    async def accounts(self, request: web.Request) -> web.Response:
        """Each account: its record, and its state now."""
        with_codes = request[ROLE] is Role.OPERATE
        documents = [_describe(status, with_codes) for status in self._console.accounts.list()]
        return web.json_response({"accounts": documents}, dumps=_dump)


def _get_header(request: web.Request, name: str) -> bytes | None:
    value = request.headers.get(name)
    return None if value is None else value.encode(errors="replace")


def _dump(document: Any) -> str:
    return orjson.dumps(document).decode()


async def _read_requests(request: web.Request) -> tuple[list[Mapping[str, Any]], bool]:
    """The requests of the body with their ids, and whether it is an array. Raises Refused."""
    if (
        request.content_type != "application/json"
    ):  # also so that no form of a web page can post here
        raise Refused(problem(415, "the content type must be application/json"))
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise Refused(
            problem(400, f"the body is not JSON: {error}", code="malformed_json")
        ) from None
    except TimeoutError:
        raise Refused(problem(408, "the body did not arrive in time")) from None
    is_array = isinstance(body, list)
    requests: list[Any] = body if is_array else [body]
    if not 0 < len(requests) <= MAX_MEMBERS:
        raise Refused(problem(400, f"an array has 1 to {MAX_MEMBERS} requests"))
    key = request.headers.get(_KEY_HEADER)
    return [
        _add_id(item, key, n if is_array else None) for n, item in enumerate(requests)
    ], is_array


def _add_id(request: Any, key: str | None, index: int | None) -> Any:
    """The request with the idempotency key as its id; in an array, with its index too. Raises Refused."""
    if key is None or not isinstance(request, dict):
        return request
    id = key if index is None else f"{key}/{index}"
    if request.get("id") not in (None, id):
        detail = f"it has the id of the field and another one of the header {_KEY_HEADER}: give one of them"
        raise Refused(problem(400, detail, index=index, field="id"))
    return request | {"id": id}


def _encode_all(
    requests: list[Mapping[str, Any]], max_bytes: int, *, is_array: bool
) -> list[EncodedRequest]:
    """The records. Raises Refused for the first request that is wrong."""
    encoded: list[EncodedRequest] = []
    for index, request in enumerate(requests):
        place = index if is_array else None
        try:
            item = encode_request(request)
        except RequestInvalid as error:
            response = problem(422, str(error), code=error.code, field=error.field, index=place)
            raise Refused(response) from None
        except TypeError as error:
            response = problem(422, str(error), code="schema_violation", index=place)
            raise Refused(response) from None
        if record_size.measure(item.key, item.value, ()) > max_bytes:
            detail = f"the request is larger than {max_bytes} bytes (WA_MAX_REQUEST_BYTES)"
            raise Refused(problem(413, detail, code="record_too_large", index=place))
        encoded.append(item)
    return encoded


def _describe(status: AccountStatus, with_codes: bool) -> dict[str, Any]:
    """The last record, with the state as it is now: of a silent account, the record's is a past one."""
    record: dict[str, Any] = {}
    if status.record is not None:
        record = msgspec.to_builtins(status.record)
        record["heartbeat_age_s"] = round(status.age_s, 1)
    if status.is_stale or not with_codes:
        record |= dict.fromkeys(_LINK_FIELDS)
    current = {"account": status.name, "state": status.state, "reason": status.reason}
    return record | current | {"stale": status.is_stale}
