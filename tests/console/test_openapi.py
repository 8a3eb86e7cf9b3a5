"""The description of the HTTP API is what the API does: schemathesis compares them over real HTTP."""

import asyncio
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

import hypothesis
import jsonschema
import orjson
import pytest
import schemathesis
from schemathesis.checks import CHECKS
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode

from streams.console.web.api import messages
from streams.console.web.api.description import MessageLimit
from streams.contract.export import openapi
from tests.console.world import Topics, Visitor, visit
from tests.media.servers import PNG
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

MAX_EXAMPLES = 10  # of each operation and mode: to make them costs more than to try them
# The other checks need a token that is refused, or calls that follow from one another.
CHECKS_OF_ALL = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
DOCUMENT: dict[str, Any] = orjson.loads(orjson.dumps(openapi.build_document()))
OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item]
PROFILE = hypothesis.settings(
    max_examples=MAX_EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)


def _try_all(url: str, path: str, method: str, mode: GenerationMode) -> list[int]:
    """Call the operation with generated cases. Returns the statuses; raises the first finding."""
    schema = schemathesis.openapi.from_dict(deepcopy(DOCUMENT))  # which it rewrites
    schema.config.update(base_url=url)
    checks = [CHECKS.get_one(name) for name in CHECKS_OF_ALL]
    statuses: list[int] = []

    @hypothesis.given(case=schema[path][method.upper()].as_strategy(generation_mode=mode))
    @PROFILE
    def compare(case: Any) -> None:
        response = case.call(timeout=60)
        statuses.append(response.status_code)
        case.validate_response(response, checks=checks)

    try:
        compare()
    except FailureGroup as group:
        raise AssertionError([str(error) for error in group.exceptions]) from None
    return statuses


async def test_the_api_does_what_its_description_says(topics: Topics) -> None:
    """Every generated call, right or wrong by the document, gets an answer that the document describes."""
    async with visit(topics.settings) as visitor:
        for path, method in OPERATIONS:
            args = (visitor.url, path, method)
            statuses = await asyncio.to_thread(_try_all, *args, GenerationMode.POSITIVE)
            assert max(statuses) < 500
            if DOCUMENT["paths"][path][method].get("requestBody"):
                assert {201, 202} & set(statuses)
                statuses = await asyncio.to_thread(_try_all, *args, GenerationMode.NEGATIVE)
                assert max(statuses) < 500


async def test_the_description_is_served(topics: Topics) -> None:
    """It is the one that is committed, and needs the token that the rest needs."""
    settings = replace(topics.settings, console_view_token="look", console_operate_token="act")
    async with visit(settings) as visitor:
        assert (await visitor.get("/api/openapi.json"))[0] == 401
        status, text = await visitor.get("/api/openapi.json", Authorization="Bearer look")
    assert (status, orjson.loads(text)) == (200, DOCUMENT)


async def test_known_answers_are_as_described(topics: Topics) -> None:
    """What chance does not find: a message with events, accounts with records, and an upload."""
    async with visit(topics.settings) as visitor:
        message = await wait_until(lambda: _find(visitor, "/api/messages/+60123456789/sent-1"))
        _, accounts = await visitor.get("/api/accounts")
        async with visitor.http.post(f"{visitor.url}/api/media", data=PNG) as response:
            upload = await response.read()
    for path, method, code, body in (
        ("/api/messages/{to}/{id}", "GET", "200", message),
        ("/api/accounts", "GET", "200", accounts),
        ("/api/media", "POST", "201", upload),
    ):
        document = orjson.loads(body)
        assert document
        _validate(path, method, code, document)


async def _find(visitor: Visitor, path: str) -> str:
    """The document; empty while there is none."""
    status, text = await visitor.get(path)
    return text if status == 200 else ""


def _validate(path: str, method: str, code: str, document: Any) -> None:
    """By jsonschema, with the definitions of the document."""
    answer = DOCUMENT["paths"][path][method.lower()]["responses"][code]
    body = answer["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator(body | {"components": DOCUMENT["components"]}).validate(
        document
    )


async def test_too_many_messages_are_refused_with_a_time(
    topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All or none of an array; the answer says after how many seconds it is taken."""
    stopped = partial(
        MessageLimit, monotonic_s=lambda: 0.0
    )  # else a slow machine is under the limit
    monkeypatch.setattr(messages, "MessageLimit", stopped)
    settings = replace(topics.settings, console_rate_per_minute=3)
    message = {"to": "+60123456789", "text": "hello"}
    async with visit(settings) as visitor:
        url = f"{visitor.url}/api/messages"
        async with visitor.http.post(url, json=[message, message]) as response:
            assert response.status == 202
        async with visitor.http.post(url, json=[message, message, message]) as response:
            document = await response.json(content_type=None)
            assert (response.status, document["title"]) == (429, "Too Many Requests")
            assert response.headers["Retry-After"] == "40"
        async with visitor.http.post(url, json=message) as response:
            assert response.status == 202
