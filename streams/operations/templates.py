"""The templates of `wa.templates`: read, check, store and delete them. Renders nothing for anybody.

What is stored here is valid. Others can write to the topic too, so what is read may not be.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from aiokafka import AIOKafkaProducer

from streams.contract.template import (
    InvalidTemplateRecord,
    TemplateRecord,
    decode,
    encode,
    split_key,
)
from streams.contract.topics import MIB
from streams.dispatch.templates.rendering import CompiledTemplate
from streams.domain.templates import InvalidTemplate, canonical_language
from streams.kafka.connection import producer_options, translate_errors
from streams.kafka.reader import read_last_values
from streams.kafka.topics import names
from streams.operations.errors import UsageError
from streams.settings import Settings

_MAX_BYTES: Final = MIB - 4096  # what the topic takes, with a reserve for the batch around it


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """The last record of one template in one language. `problem`: why requests for it are rejected."""

    name: str
    language: str
    value: bytes
    record: TemplateRecord | None = None
    parameters: Sequence[str] = ()
    problem: str | None = None

    @property
    def key(self) -> str:
        """The key of its record."""
        return f"{self.name}/{self.language}"


async def read_templates(settings: Settings) -> list[StoredTemplate]:
    """Every template in every language, by name and language.

    Raises:
        KafkaUnreachable, TopicNotFound: see streams/kafka/reader.py.
    """
    values = await read_last_values(settings, names(settings).templates)
    stored = [_check(key, value) for key, value in values.items()]
    return sorted(filter(None, stored), key=lambda template: (template.name, template.language))


def _check(key: bytes, value: bytes) -> StoredTemplate | None:
    name_and_language = split_key(key)
    if name_and_language is None:
        return None
    template = StoredTemplate(*name_and_language, value)
    try:
        compiled = CompiledTemplate(decode(value))
    except (InvalidTemplate, InvalidTemplateRecord) as error:
        return StoredTemplate(*name_and_language, value, problem=str(error))
    record = compiled.record
    problem = None if record.key == template.key else f"its record says {record.key}"
    return StoredTemplate(*name_and_language, value, record, compiled.parameters, problem)


def parse_templates(source: str, data: bytes) -> list[TemplateRecord]:
    """The templates in a JSON file: one, or an array. `source` names the file in an error.

    Raises:
        UsageError: the file is not JSON, or one of them is not a valid template.
    """
    try:
        parsed: object = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{source}: is not JSON ({error})") from None
    items = cast("list[object]", parsed) if isinstance(parsed, list) else [parsed]
    records: list[TemplateRecord] = []
    for index, item in enumerate(items):
        label = f"{source}[{index}]" if isinstance(parsed, list) else source
        try:
            # Read as it will be read by the dispatchers: strictly. A single one is taken as it is in the file.
            record = decode(data if item is parsed else orjson.dumps(item))
            CompiledTemplate(record)
        except (InvalidTemplate, InvalidTemplateRecord) as error:
            raise UsageError(f"{label}: {error}") from None
        if len(encode(record)) > _MAX_BYTES:
            raise UsageError(f"{label}: has more than {_MAX_BYTES} bytes, the most a template has")
        records.append(record)
    return records


async def put_templates(settings: Settings, records: Sequence[TemplateRecord]) -> list[str]:
    """Store these templates. Returns remarks about what they make of the templates that there were.

    Raises:
        UsageError: one of them has another spelling of a language that there is, or two of them are the same.
    """
    stored = {template.key: template for template in await read_templates(settings)}
    spellings = {
        _canonical_key(template.name, template.language): key for key, template in stored.items()
    }
    for record in records:
        spelling = spellings.setdefault(_canonical_key(record.name, record.language), record.key)
        if spelling != record.key:
            raise UsageError(f"{record.key}: there is {spelling}, which is the same language")
    if len({record.key for record in records}) < len(records):
        raise UsageError("the same template in the same language is given twice")
    await _produce(settings, {record.key: encode(record) for record in records})
    after = {key: template.record for key, template in stored.items()}
    return _find_two_defaults({**after, **{record.key: record for record in records}})


def _canonical_key(name: str, language: str) -> tuple[str, str]:
    return name, canonical_language(language)


def _find_two_defaults(records: Mapping[str, TemplateRecord | None]) -> list[str]:
    """A remark about each template of which several languages are marked as default."""
    defaults: dict[str, list[str]] = {}
    for record in records.values():
        if record is not None and record.default:
            defaults.setdefault(record.name, []).append(canonical_language(record.language))
    return [
        f"{name} has several default languages ({', '.join(sorted(found))}): {min(found)} counts"
        for name, found in sorted(defaults.items())
        if len(found) > 1
    ]


async def find_templates(
    settings: Settings, name: str, language: str | None
) -> list[StoredTemplate]:
    """This template in all its languages, or in one.

    Raises:
        UsageError: there is none.
    """
    stored = await read_templates(settings)
    found = [
        template
        for template in stored
        if template.name == name
        and (
            language is None
            or canonical_language(template.language) == canonical_language(language)
        )
    ]
    if not found:
        label = name if language is None else f"{name} in {language}"
        raise UsageError(f"there is no template {label}; see `wa-streams templates list`")
    return found


async def delete_templates(settings: Settings, templates: Sequence[StoredTemplate]) -> None:
    """Delete them. What was rendered from them and waits is sent all the same."""
    await _produce(settings, {template.key: None for template in templates})


async def _produce(settings: Settings, values: Mapping[str, bytes | None]) -> None:
    """Return once the brokers have all records."""
    options: dict[str, Any] = producer_options(settings)
    topic = names(settings).templates
    with translate_errors(options["bootstrap_servers"]):
        async with AIOKafkaProducer(**options) as producer:
            confirmations = [
                await producer.send(topic, value, key=key.encode()) for key, value in values.items()
            ]
            await asyncio.gather(*confirmations)
