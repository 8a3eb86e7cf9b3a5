"""A template: a record of `wa.templates` (compacted), keyed by `name/language`. Renders nothing."""

from typing import Annotated, Any, Final

import msgspec
import orjson
from msgspec import Meta

from streams.contract import strict_json
from streams.contract.errors import InvalidRequest
from streams.contract.request.content import CONTENT_KINDS, TemplateLanguage, TemplateName
from streams.contract.request.form import Category
from streams.contract.wording import describe

CONTENT_TYPES: Final = tuple(kind for kind in CONTENT_KINDS if kind != "template")


class TemplateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A template in one language. Each text of its content may have placeholders: `Hello {{ name }}`."""

    name: TemplateName
    language: TemplateLanguage
    content: Annotated[
        dict[str, Any],
        Meta(
            description="A content like that of a request. `{{ name }}` in any of its texts is filled in with the "
            "parameter of this name."
        ),
    ]
    category: (
        Annotated[
            Category,
            Meta(
                title="Category",
                description="marketing: each message that uses it is a marketing message.",
            ),
        ]
        | None
    ) = None
    default: Annotated[
        bool, Meta(description="Whether this language serves requests for one that is missing.")
    ] = False

    @property
    def key(self) -> str:
        """The key of its record."""
        return make_key(self.name, self.language)


def make_key(name: str, language: str) -> str:
    """The key of the record of this template in this language."""
    return f"{name}/{language}"


def split_key(key: bytes) -> tuple[str, str] | None:
    """Name and language in a record's key; None: it is not the key of a template."""
    try:
        name, separator, language = key.decode().partition("/")
    except UnicodeDecodeError:
        return None
    return (name, language) if separator and name and language else None


class InvalidTemplateRecord(ValueError):
    """The value is not a template. Says which field is wrong, and why."""


def decode(value: bytes) -> TemplateRecord:
    """Decode the value of a record of `wa.templates`.

    Raises:
        InvalidTemplateRecord: the bytes are not a template.
    """
    try:
        record = msgspec.convert(strict_json.load(value), TemplateRecord)
    except InvalidRequest as error:
        raise InvalidTemplateRecord(error.detail) from error
    except msgspec.ValidationError as error:
        raise InvalidTemplateRecord(describe(error, {})) from error
    if record.content.get("type") not in CONTENT_TYPES:
        raise InvalidTemplateRecord(f"content.type: must be one of {', '.join(CONTENT_TYPES)}")
    return record


def encode(record: TemplateRecord) -> bytes:
    """The record's value."""
    fields = msgspec.to_builtins(record)
    return orjson.dumps({name: value for name, value in fields.items() if value is not None})
