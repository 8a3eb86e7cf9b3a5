"""Templates at intake: what a request renders, what is refused, and when the topic is read first."""

import asyncio
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from streams.dispatch.intake import Disposition, Intake
from streams.dispatch.request_reader import RequestReader
from streams.dispatch.templates.library import TemplateLibrary
from streams.domain.errors import Error
from streams.domain.phone import events
from streams.domain.phone.events import RequestReceived, SourceRecord
from streams.testing.phone_world import PhoneWorld
from tests.support.stage_world import make_record_mapper

NOW_S = 1_790_000_000.0


class Topic:
    """The topic in memory: `catch_up` applies what was produced. With `is_slow`, it takes too long."""

    def __init__(self, library: TemplateLibrary) -> None:
        self.library = library
        self.unread: list[tuple[bytes, bytes | None]] = []
        self.reads = 0
        self.is_slow = False

    def produce(self, name: str, language: str, content: Any, **fields: Any) -> None:
        body = {"name": name, "language": language, "content": content, **fields}
        self.unread.append((f"{name}/{language}".encode(), orjson.dumps(body)))

    async def catch_up(self, timeout_s: float) -> bool:
        self.reads += 1
        await asyncio.sleep(0)
        if self.is_slow:
            return False
        for key, value in self.unread:
            self.library.apply_record(key, value)
        self.unread.clear()
        return True


class Stage:
    """Intake with its library, as the dispatcher puts them together."""

    def __init__(self) -> None:
        self.passed_s = NOW_S
        self.mono_s = 0.0
        self.library = TemplateLibrary(lambda: self.passed_s, monotonic_s=lambda: self.mono_s)
        self.topic = Topic(self.library)
        self.library.follow(self.topic)
        mapper = make_record_mapper()
        self.intake = Intake("phone", mapper, RequestReader("MY", 1_000_000, self.library))
        self._offset = 0

    async def request(
        self, name: str, append_s: float = NOW_S, *, to: str = "+60123456789", **content: Any
    ) -> RequestReceived:
        """The event of a request that names this template."""
        self._offset += 1
        category = {"category": content.pop("category")} if "category" in content else {}
        body = {"to": to, "content": {"type": "template", "name": name, **content}, **category}
        record = SourceRecord(
            topic="wa.outbound", partition=0, offset=self._offset, value=orjson.dumps(body)
        )
        disposition, outgoing = await self.intake.handle_up_to_date(record, append_s)
        assert disposition is Disposition.FORWARDED
        event = events.decode(outgoing[0].value or b"")
        assert isinstance(event, RequestReceived)
        return event

    async def refusal(self, name: str, **content: Any) -> Error:
        """The error of a request that names this template."""
        event = await self.request(name, **content)
        assert event.refusal is not None
        assert event.content == b""
        return event.refusal


@pytest.fixture
def stage() -> Stage:
    return Stage()


HELLO = {"type": "text", "body": "Hello {{ name }}"}


async def test_a_request_right_after_its_template_is_rendered(stage: Stage) -> None:
    """The topic is read up to its end first. A request that came earlier needs no further reading."""
    stage.topic.produce("hello", "en", HELLO)
    event = await stage.request("hello", params={"name": "Ada"})
    assert orjson.loads(event.content) == {"type": "text", "body": "Hello Ada"}
    assert event.refusal is None
    await stage.request("hello", NOW_S - 1, params={"name": "Ada"})
    assert stage.topic.reads == 1


async def test_a_changed_template_counts_at_once(stage: Stage) -> None:
    """For the requests that follow the change. An accepted message keeps its content."""
    stage.topic.produce("hello", "en", HELLO)
    await stage.request("hello", params={"name": "Ada"})
    stage.topic.produce("hello", "en", {"type": "text", "body": "Good day {{ name }}"})
    stage.passed_s += 1
    event = await stage.request("hello", NOW_S + 0.5, params={"name": "Ada"})
    assert orjson.loads(event.content)["body"] == "Good day Ada"


async def test_many_requests_wait_for_one_reading(stage: Stage) -> None:
    """Of each partition one, at the same time."""
    stage.topic.produce("hello", "en", HELLO)
    requests = [stage.request("hello", params={"name": "Ada"}) for _ in range(8)]
    found = await asyncio.gather(*requests)
    assert all(event.refusal is None for event in found)
    assert stage.topic.reads == 1


async def test_a_clock_that_is_set_back_does_not_keep_the_library_old(stage: Stage) -> None:
    """A request of an hour ago would need no reading, if only the broker's time counted."""
    await stage.request("hello")
    stage.topic.produce("hello", "en", HELLO)
    stage.mono_s += 61
    event = await stage.request("hello", NOW_S - 3600, params={"name": "Ada"})
    assert event.refusal is None


async def test_a_topic_that_cannot_be_read_does_not_stop_intake(stage: Stage) -> None:
    """What is in memory counts, and an unknown template says that it may be there all the same."""
    stage.topic.produce("hello", "en", HELLO)
    await stage.request("hello", params={"name": "Ada"})
    stage.topic.is_slow = True
    event = await stage.request("hello", NOW_S + 5, params={"name": "Ada"})
    assert event.refusal is None
    event = await stage.request("other", NOW_S + 6)
    assert event.refusal is not None
    assert "could not be read up to its end" in event.refusal.detail


async def test_what_is_wrong_is_named(stage: Stage) -> None:
    """An unknown name with the nearest one, a language, a parameter."""
    stage.topic.produce("hello", "en", HELLO)
    stage.topic.produce("hello", "es", {"type": "text", "body": "Hola {{ name }}"})
    refusal = await stage.refusal("helo")
    assert refusal.code == "unknown_template"
    assert refusal.detail == "content.name: there is no template helo; did you mean hello?"
    refusal = await stage.refusal("hello", language="fr")
    assert refusal.code == "unknown_template"
    assert refusal.detail.endswith("has en, es, and no default language")
    refusal = await stage.refusal("hello", language="en")
    assert refusal == Error("missing_parameter", "content.params.name: is missing")


async def test_the_language_falls_back(stage: Stage) -> None:
    """To the language without its country, then to the default."""
    stage.topic.produce("hello", "pt", {"type": "text", "body": "Olá"})
    stage.topic.produce("hello", "en", {"type": "text", "body": "Hello"}, default=True)
    for language, body in (("pt_BR", "Olá"), ("PT-br", "Olá"), ("fr", "Hello"), (None, "Hello")):
        event = await stage.request("hello", language=language)
        assert orjson.loads(event.content)["body"] == body


@pytest.mark.parametrize(
    ("content", "rendered"),
    [
        ({"type": "poll", "question": "{{ x }}?", "options": ["{{ x }}", "not {{ x }}"]}, ["tea", "not tea"]),
        ({"type": "image", "data": "iVBORw0KGgo=", "caption": "{{ x }}"}, "tea"),
        ({"type": "location", "latitude": 1.5, "longitude": 2, "name": "{{ x }}"}, "tea"),
        ({"type": "contact", "name": "{{ x }}", "phones": ["012-345 6789"]}, ["+60123456789"]),
        ({"type": "reaction", "message_id": "3EB0{{ x }}", "emoji": "{{ x }}"}, "3EB0tea"),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)  # fmt: skip
async def test_any_kind_with_a_text_can_be_a_template(
    stage: Stage, content: dict[str, Any], rendered: object
) -> None:
    """Numbers on a card are read like all others."""
    stage.topic.produce("t", "en", content)
    event = await stage.request("t", params={"x": "tea"})
    assert event.refusal is None, event.refusal
    assert rendered in orjson.loads(event.content).values()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"\xff",
        b'{"name": "t"}',
        b'{"name": "other", "language": "en", "content": {"type": "text", "body": "x"}}',
        b'{"name": "t", "language": "en", "content": {"type": "template", "name": "t"}}',
        b'{"name": "t", "language": "en", "content": {"type": "text"}}',
        b'{"name": "t", "language": "en", "content": {"type": "text", "body": "{% for a in b %}{% endfor %}"}}',
        b'{"name": "t", "language": "en", "content": {"type": "text", "body": "{% include b %}"}}',
        b'{"name": "t", "language": "en", "content": {"type": "poll", "question": "q", "options": ["{{ a }}"]}}',
        orjson.dumps({"name": "t", "language": "en", "content": {"type": "text", "body": "{{a}}" * 50_000}}),
        orjson.dumps({"name": "t", "language": "en", "content": {"type": "contact", "phones": ["x"] * 50_000}}),
        b'{"name":"t","language":"en","content":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
    ids=range(13),
)  # fmt: skip
async def test_a_record_that_is_no_template_answers_its_requests(
    stage: Stage, value: bytes
) -> None:
    """Somebody produced it directly: no crash, no stall, and the caller learns what is wrong."""
    stage.topic.unread.append((b"t/en", value))
    refusal = await stage.refusal("t")
    assert refusal.code == "invalid_template"
    assert refusal.detail.startswith("the template t: ")


async def test_other_keys_are_ignored(stage: Stage) -> None:
    """They cannot be a template's, and a request for one finds nothing."""
    stage.topic.unread += [(b"t", b"{}"), (b"\xff/en", b"{}"), (b"/", b"{}"), (b"", None)]
    assert (await stage.refusal("t")).code == "unknown_template"


async def test_an_overflow_answers_the_request(stage: Stage) -> None:
    """What is rendered may not be longer than what a request may contain."""
    stage.topic.produce("t", "en", {"type": "poll", "question": "{{ q }}", "options": ["a", "b"]})
    refusal = await stage.refusal("t", params={"q": "x" * 256})
    assert refusal.code == "invalid_template"
    assert "content.question" in refusal.detail
    stage.topic.produce("u", "en", {"type": "text", "body": "{{ a }}" * 100})
    stage.passed_s += 1
    event = await stage.request("u", NOW_S + 0.5, params={"a": "x" * 60_000})
    assert event.refusal is not None
    assert "renders more than 65536" in event.refusal.detail


async def test_a_template_that_was_removed_is_unknown(stage: Stage) -> None:
    """A tombstone removes one language."""
    stage.topic.produce("t", "en", HELLO)
    stage.topic.produce("t", "es", HELLO)
    stage.topic.unread.append((b"t/en", None))
    assert orjson.loads((await stage.request("t", params={"name": "A"})).content)
    stage.topic.unread.append((b"t/es", None))
    stage.passed_s += 1
    event = await stage.request("t", NOW_S + 0.5)
    assert event.refusal is not None
    assert event.refusal.code == "unknown_template"


@pytest.mark.parametrize(
    ("requested", "of_template", "category"),
    [
        (None, "marketing", "marketing"),
        ("transactional", "marketing", "marketing"),
        ("marketing", "transactional", "marketing"),
        (None, None, "transactional"),
    ],
)
async def test_the_stricter_category_counts(
    stage: Stage, requested: str | None, of_template: str | None, category: str
) -> None:
    """A marketing template is marketing, whoever uses it."""
    stage.topic.produce("t", "en", {"type": "text", "body": "x"}, category=of_template)
    event = await stage.request("t", category=requested)
    assert event.request.category == category


async def test_a_refused_request_is_rejected_where_its_row_is(stage: Stage) -> None:
    """With a dead letter. A repeat of an accepted request is answered with its status, template or not."""
    world = PhoneWorld()
    world.apply(await stage.request("t"))
    assert [letter.error.code for letter in world.dead_letters()] == ["unknown_template"]
    assert world.messages == {}
    world.submit("a")
    event = await stage.request("t")
    world.effects.clear()
    world.apply(replace(event, request=replace(event.request, id="a")))
    assert world.statuses("a") == ["accepted"]
    assert world.dead_letters() == []
