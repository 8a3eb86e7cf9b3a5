"""The HTTP API over real HTTP, with a real broker."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from tests.console.world import PHONE, Topics, Visitor, visit
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker

MESSAGE = {"to": "+60 12-345 6789", "content": {"type": "text", "body": "hello"}}
JSON = {"Content-Type": "application/json"}


async def post(visitor: Visitor, body: Any, **headers: str) -> tuple[int, Any, str]:
    """The status, the document and the content type of the answer."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    url = f"{visitor.url}/api/messages"
    async with visitor.http.post(url, data=data, headers=JSON | headers) as response:
        return response.status, orjson.loads(await response.read()), response.content_type


async def read_outbound(topics: Topics) -> list[dict[str, Any]]:
    """What is on `wa.outbound`."""
    async with open_reader(topics.settings, names(topics.settings).outbound) as reader:
        return [orjson.loads(record.value or b"{}") async for record in reader.read_to_end()]


async def test_a_request_is_accepted_once_kafka_has_it(topics: Topics) -> None:
    """The answer has its id: that of the request, of the header, or a new one."""
    async with visit(topics.settings) as visitor:
        status, body, _ = await post(visitor, MESSAGE | {"id": "mine"})
        assert (status, body) == (202, {"id": "mine", "to": MESSAGE["to"]})
        headers = {"Idempotency-Key": "key-1"}
        assert (await post(visitor, MESSAGE, **headers))[1]["id"] == "key-1"
        assert (await post(visitor, MESSAGE, **headers))[1]["id"] == "key-1"
        assert len((await post(visitor, {"phoneNumber": PHONE, "message": "short"}))[1]["id"]) == 32
        status, body, _ = await post(visitor, [MESSAGE, MESSAGE], **headers)
        assert (status, [item["id"] for item in body["messages"]]) == (202, ["key-1/0", "key-1/1"])
        ids = [request["id"] for request in await read_outbound(topics)]
        assert ids[:3] == ["mine", "key-1", "key-1"]
        assert len(ids) == 6


async def test_a_wrong_request_produces_nothing(topics: Topics) -> None:
    """The answer is a problem document that names the field and, in an array, the request."""
    wrong: list[tuple[Any, int, dict[str, Any]]] = [
        (b"{", 400, {"code": "malformed_json"}),
        (b"\xff", 400, {"code": "malformed_json"}),
        ([], 400, {}),
        ([MESSAGE] * 1001, 400, {}),
        ("text", 422, {"code": "schema_violation"}),
        ({"to": PHONE}, 422, {"code": "schema_violation"}),
        (MESSAGE | {"priority": "now"}, 422, {"field": "priority"}),
        (MESSAGE | {"tpo": 1}, 422, {"code": "schema_violation"}),
        ([MESSAGE, MESSAGE | {"id": ""}], 422, {"index": 1, "field": "id"}),
        ({"type": "cancel", "to": PHONE}, 422, {}),
        (MESSAGE | {"metadata": {"a": "x" * 5000}}, 422, {"field": "metadata"}),
    ]
    async with visit(topics.settings) as visitor:
        for body, expected, members in wrong:
            status, document, content_type = await post(visitor, body)
            assert (status, content_type) == (expected, "application/problem+json"), body
            assert document["status"] == expected
            assert document["detail"]
            assert members.items() <= document.items(), (body, document)
        _, document, _ = await post(visitor, MESSAGE | {"id": "a"}, **{"Idempotency-Key": "b"})
        assert (document["status"], document["field"]) == (400, "id")
        status, _, _ = await post(visitor, MESSAGE, **{"Content-Type": "text/plain"})
        assert status == 415  # what a form of another site could send
        assert (await post(visitor, MESSAGE, Origin="http://evil.example"))[0] == 403
        assert (await post(visitor, MESSAGE, Host="evil.example"))[0] == 403
        large = MESSAGE | {"content": {"type": "text", "body": "x" * 1_200_000}}
        assert (await post(visitor, large))[0] in (413, 422)
        assert await read_outbound(topics) == []


async def test_the_roles_of_tokens(topics: Topics) -> None:
    """The token to view reads, without metadata; only the other one sends. A cookie is no token."""
    settings = replace(topics.settings, console_view_token="look", console_operate_token="act")
    await topics.put_event("meta", "accepted", 1.0, metadata=b'{"note": "secret"}')
    async with visit(settings) as visitor:
        look, act = ({"Authorization": f"Bearer {token}"} for token in ("look", "act"))
        status, document, _ = await post(visitor, MESSAGE)
        assert (status, document["title"]) == (401, "Unauthorized")
        assert "Authorization: Bearer TOKEN" in document["detail"]
        _, document, _ = await post(visitor, MESSAGE, Authorization="Bearer wrong")
        assert "not one of the console's" in document["detail"]
        assert (await post(visitor, MESSAGE, **look))[0] == 403
        assert (await post(visitor, MESSAGE, **act))[0] == 202
        path = f"/api/messages/{PHONE}/meta"
        await wait_until(lambda: _is_found(visitor, path, act))
        assert "secret" in (await visitor.get(path, **act))[1]
        assert "secret" not in (await visitor.get(path, **look))[1]
        async with visitor.http.post(f"{visitor.url}/login", data={"token": "act"}) as response:
            assert response.status == 200
        assert (await visitor.get("/api/accounts"))[0] == 401


async def _is_found(visitor: Visitor, path: str, headers: dict[str, str]) -> bool:
    return (await visitor.get(path, **headers))[0] == 200


async def test_what_is_known_of_a_message(topics: Topics) -> None:
    """The last status with all events, for any spelling of the number, and an id with a slash."""
    async with visit(topics.settings) as visitor:
        await wait_until(lambda: _is_found(visitor, f"/api/messages/{PHONE}/sent-1", {}))
        for to in (PHONE, "60123456789", "+60%2012-345%206789", "%2B60123456789"):
            status, body = await visitor.get(f"/api/messages/{to}/sent-1")
            document = orjson.loads(body)
            assert (status, document["status"], document["to"]) == (200, "delivered", PHONE)
            assert [event["status"] for event in document["events"]] == [
                "accepted", "sent", "delivered",
            ]  # fmt: skip
        assert (await visitor.get("/api/messages/+905551112233/b-1/0"))[0] == 200
        assert (await visitor.get("/api/messages/+905551112233/b-1%2F0"))[0] == 200
        status, body = await visitor.get(f"/api/messages/{PHONE}/nothing")
        assert (status, orjson.loads(body)["title"]) == (404, "Not Found")
        _, body = await visitor.get("/api/accounts")
        (account,) = orjson.loads(body)["accounts"]
        assert (account["account"], account["state"], account["stale"]) == ("main", "ready", False)
        status, body = await visitor.get("/api/nothing")
        assert (status, orjson.loads(body)["status"]) == (404, 404)
        assert "/api/openapi.json" in body
