"""Templates through a real dispatcher: a request may follow its template at once."""

import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import orjson
import pytest

from streams.contract.timestamps import parse_rfc3339
from streams.kafka.topics import names
from streams.operations.queue import read_recipient
from tests.support.caller import Caller
from tests.support.dispatching import FakeSender
from tests.support.system import SystemUnderTest

pytestmark = pytest.mark.broker

TO = "+905551112233"


@pytest.fixture
async def caller(dispatching: SystemUnderTest) -> AsyncIterator[Caller]:
    async with Caller(dispatching.settings).open() as caller:
        yield caller


async def put(caller: Caller, settings: Any, name: str, body: str, **more: Any) -> None:
    """Store a template, as another program does: without a check."""
    content = {"type": "text", "body": body}
    value = {"name": name, "language": "en", "content": content, **more}
    record = (orjson.dumps(value), f"{name}/en".encode())
    await caller.produce(record, topic=names(settings).templates)


async def request(caller: Caller, name: str, **fields: Any) -> str:
    content = {"type": "template", "name": name, **fields}
    submitted = {"id": uuid4().hex, "to": TO, "content": content}
    await caller.produce((orjson.dumps(submitted), TO.encode()))
    return submitted["id"]


async def test_a_request_right_after_its_template_is_accepted(
    caller: Caller, dispatching: SystemUnderTest
) -> None:
    """Ten times: the order of two topics does not matter. A sender gets what was rendered."""
    fake_sender = FakeSender(caller)
    await fake_sender.publish_state("ready")
    await fake_sender.skip_existing()
    ids: list[str] = []
    for number in range(10):
        await put(caller, dispatching.settings, f"t{number}", "{{ n }} for {{ name }}")
        ids.append(await request(caller, f"t{number}", params={"n": number, "name": "Ada"}))
    for number, request_id in enumerate(ids):
        accepted = await caller.wait_for_status(request_id, "accepted")
        assert accepted["template"] == f"t{number}/en"
        command = await fake_sender.take_command()
        assert orjson.loads(command.content)["body"] == f"{number} for Ada"
        await fake_sender.publish_outcome(command)


async def test_a_marketing_template_waits_for_the_end_of_quiet_hours(
    caller: Caller, dispatching: SystemUnderTest
) -> None:
    """The caller and `queue PHONE` learn until when. A message that came later overtakes it."""
    settings = dispatching.settings
    fake_sender = FakeSender(caller)
    await fake_sender.publish_state("ready")
    await fake_sender.skip_existing()
    await put(caller, settings, "sale", "Everything must go", category="marketing")
    await put(caller, settings, "code", "{{ n }}")
    sale = await request(caller, "sale")
    queued = await caller.wait_for_status(sale, "queued")
    due_s = parse_rfc3339(queued["due_at"])
    assert queued["reason"] == "quiet_hours"
    assert 3600 < due_s - time.time() <= 7200
    code = await request(caller, "code", params={"n": 1234})
    command = await fake_sender.take_command()
    assert command.id == code
    queue = (await read_recipient(settings, TO, time.time(), lambda part: None)).queue
    assert queue is not None
    reasons = {each.message.id: each.explanation[:2] for each in queue.messages}
    assert reasons[sale] == ("quiet_hours", due_s)
    await fake_sender.publish_outcome(command)
    await caller.wait_for_status(code, "sent")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{% for a in range(99999999) %}x{% endfor %}", "invalid_template"),
        ("{{ x }}" * 200, "invalid_template"),
        ("{{ y }}", "missing_parameter"),
    ],
    ids=["a loop", "an overflow", "a missing parameter"],
)
async def test_a_bad_template_answers_its_request(
    caller: Caller, dispatching: SystemUnderTest, body: str, code: str
) -> None:
    """It was produced directly: the request is rejected with a dead letter, and the dispatcher goes on."""
    name = f"bad-{uuid4().hex}"
    await put(caller, dispatching.settings, name, body)
    request_id = await request(caller, name, params={"x": "x" * 60_000})
    rejected = await caller.wait_for_status(request_id, "rejected")
    assert rejected["error"]["code"] == code
    assert dispatching.workers[0].is_alive
