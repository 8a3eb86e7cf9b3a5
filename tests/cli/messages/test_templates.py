"""`templates`: what is stored is valid, what is not valid is refused, and everything fits on a terminal."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from streams.kafka import admin
from streams.kafka.connection import producer_options
from streams.kafka.topics import names
from streams.operations.errors import UsageError
from streams.operations.templates import parse_templates
from streams.settings import Settings
from tests.cli.conftest import Command


def template(name: str = "hello", language: str = "en", **more: Any) -> dict[str, Any]:
    content = {"type": "text", "body": "Hello {{ name }}"}
    return {"name": name, "language": language, "content": content, **more}


def write(value: Any) -> str:
    """The name of a file in the present folder."""
    Path("template.json").write_bytes(value if isinstance(value, bytes) else orjson.dumps(value))
    return "template.json"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"{", "is not JSON"),
        ([template(), template(content={"type": "text"})], r"t.json\[1\]: content.body: is missing"),
        (template(name="a b"), "name: "),
        (template(language="english language"), "language: "),
        (template(content={"type": "template", "name": "x"}), "content.type: must be one of"),
        (template(content={"type": "text", "body": "{% for a in b %}{% endfor %}"}), "loops are not"),
        (template(content={"type": "text", "body": "{% include 'a' %}"}), "includes are not"),
        (template(content={"type": "text", "body": "{{ a * 99999999 }}"}), "calculations are not"),
        (template(content={"type": "text", "body": "x" * 65_537}), "more than 65536 characters"),
        (template(content={"type": "image", "data": "AAAA" * 300_000}), "more than .* bytes"),
        (b'{"name": "a", "name": "b"}', "occurs twice"),
        (b"[1]", "expected"),
    ],
)  # fmt: skip
def test_what_is_not_a_template_is_refused(value: Any, problem: str) -> None:
    """Before anything is stored, with the field that is wrong."""
    data = value if isinstance(value, bytes) else orjson.dumps(value)
    with pytest.raises(UsageError, match=problem):
        parse_templates("t.json", data)


@pytest.mark.broker
def test_templates_are_stored_shown_and_deleted(settings: Settings, command: Command) -> None:
    """What `show` prints can be put again. A refused file stores nothing."""
    asyncio.run(admin.create_topics(settings))
    both = [template(default=True), template(language="pt_BR", category="marketing")]
    put = command("templates", "put", write(both), settings=settings)
    assert (put.code, put.out) == (0, "hello/en is stored\nhello/pt_BR is stored\n"), put.err
    bad = [template("other"), template("bad", content={"type": "text"})]
    assert command("templates", "put", write(bad), settings=settings).code == 2
    respelled = command("templates", "put", write(template(language="pt-br")), settings=settings)
    assert "there is hello/pt_BR" in respelled.error_line

    listed = command("templates", "list", "--json", settings=settings)
    assert [
        (row["name"], row["language"], row["default"], row["category"], row["parameters"])
        for row in listed.objects
    ] == [
        ("hello", "en", True, "transactional", ["name"]),
        ("hello", "pt_BR", False, "marketing", ["name"]),
    ]
    shown = command("templates", "show", "hello", settings=settings)
    assert command("templates", "put", write(shown.out.encode()), settings=settings).code == 0

    assert "--yes" in command("templates", "delete", "hello", settings=settings).error_line
    one = command("templates", "delete", "hello", "--language", "EN", "--yes", settings=settings)
    assert (one.code, one.out) == (0, "hello/en is deleted\n")
    assert "hello in fr" in command(
        "templates", "show", "hello", "--language", "fr", settings=settings
    ).error_line  # fmt: skip
    assert command(
        "templates", "delete", "hello", "--yes", "--json", settings=settings
    ).objects == [{"name": "hello", "language": "pt_BR", "deleted": True}]
    assert command("templates", "list", "--json", settings=settings).objects == []


@pytest.mark.broker
def test_a_record_of_another_program_is_listed_with_its_problem(
    settings: Settings, command: Command
) -> None:
    """The table fits in 80 columns, however long names, parameters and problems are."""
    asyncio.run(admin.create_topics(settings))
    many = " ".join(f"{{{{ a_long_parameter_{number} }}}}" for number in range(20))
    long = template("n" * 60, content={"type": "text", "body": many})
    put = command("templates", "put", write(long), settings=settings)
    assert put.code == 0, put.err
    asyncio.run(_produce(settings, b"loop/en", template("loop", content={"type": "x" * 200})))
    listed = command("templates", "list", settings=settings)
    assert max(map(len, listed.out.splitlines())) <= 80
    assert "problem content.type: must be one of" in listed.out
    assert command("templates", "show", "loop", settings=settings).code == 1


async def _produce(settings: Settings, key: bytes, value: Any) -> None:
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        await producer.send_and_wait(names(settings).templates, orjson.dumps(value), key=key)
