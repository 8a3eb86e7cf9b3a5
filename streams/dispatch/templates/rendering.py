"""The content of a template: each of its texts is compiled once, and filled in for each request. Reads nothing.

What is rendered must be what a request may contain: it is decoded like the content of a request, with all its bounds.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

import msgspec

from streams.contract.errors import InvalidRequest
from streams.contract.request import media
from streams.contract.request.content import MEDIA_CLASSES, Content, MediaContent
from streams.contract.template import TemplateRecord
from streams.contract.wording import describe
from streams.domain.templates import (
    MAX_CHARACTERS,
    InvalidTemplate,
    TemplateText,
    check_cost,
)

MAX_TEXTS: Final = 64
_CONSTANTS: Final = frozenset({"type", "data", "mime"})  # a file in base64 is never searched
_SAMPLE_URL: Final = "https://example.com/"

_Node: TypeAlias = "dict[str, _Node] | list[_Node] | TemplateText | Any"


class CompiledTemplate:
    """A template that can be rendered."""

    def __init__(self, record: TemplateRecord) -> None:
        """Raises InvalidTemplate if a text is refused, or if no parameters could give a valid content."""
        self.record = record
        self._texts: list[TemplateText] = []
        self._content = self._compile("content", record.content)
        check_cost(self._texts)
        self._check()

    @property
    def parameters(self) -> list[str]:
        """All parameters that it names, needed or not."""
        return sorted(set[str]().union(*(text.parameters for text in self._texts)))

    def render(self, parameters: Mapping[str, object]) -> Content:
        """The content with these parameters filled in.

        Raises:
            streams.domain.templates.MissingParameter: one that is needed is not among them.
            InvalidTemplate: the result is not a content that may be sent.
        """
        for name, value in parameters.items():
            if isinstance(value, str) and len(value) > MAX_CHARACTERS:
                raise InvalidTemplate(
                    f"content.params.{name[:64]}: has more than {MAX_CHARACTERS} characters"
                )
        return _decode(_fill_in("content", self._content, parameters))

    def _compile(self, path: str, value: object) -> _Node:
        if isinstance(value, dict):
            members = cast("dict[str, object]", value).items()
            return {
                name: member if name in _CONSTANTS else self._compile(f"{path}.{name}", member)
                for name, member in members
            }
        if isinstance(value, list):
            items = cast("list[object]", value)
            if len(items) > MAX_TEXTS:
                raise InvalidTemplate(f"{path}: has more than {MAX_TEXTS} items")
            return [self._compile(f"{path}[{index}]", item) for index, item in enumerate(items)]
        return self._compile_text(path, value) if isinstance(value, str) else value

    def _compile_text(self, path: str, text: str) -> TemplateText:
        if len(self._texts) >= MAX_TEXTS:
            raise InvalidTemplate(f"content: has more than {MAX_TEXTS} texts")
        try:
            compiled = TemplateText(text)
        except InvalidTemplate as error:
            raise InvalidTemplate(f"{path}: {error}") from error
        self._texts.append(compiled)
        return compiled

    def _check(self) -> None:
        """A content with short samples in all places. Fields and bounds that no parameter changes are right then.

        A text that compares a parameter takes texts or numbers.
        """
        try:
            self._check_samples([f"1{number}" for number in range(len(self.parameters))])
        except InvalidTemplate:
            self._check_samples(range(10, 10 + len(self.parameters)))

    def _check_samples(self, samples: Iterable[object]) -> None:
        parameters = dict(zip(self.parameters, samples, strict=True))  # no two are the same
        filled_in: dict[str, Any] = _fill_in("content", self._content, parameters)
        url = self.record.content.get("url")
        if isinstance(url, str) and url.lstrip().startswith("{{"):
            filled_in["url"] = _SAMPLE_URL  # the whole address is a parameter
        content = _decode(filled_in)
        if isinstance(content, MEDIA_CLASSES):
            _check_file(content)


def _check_file(content: MediaContent) -> None:
    """Raises InvalidTemplate if the file is not what the content says."""
    try:
        media.complete(content)
    except InvalidRequest as error:
        raise InvalidTemplate(error.detail) from error


def _fill_in(path: str, node: _Node, parameters: Mapping[str, object]) -> Any:
    if isinstance(node, TemplateText):
        try:
            return node.render(parameters)
        except InvalidTemplate as error:
            raise InvalidTemplate(f"{path}: {error}") from error
    if isinstance(node, dict):
        members = cast("dict[str, _Node]", node).items()
        return {name: _fill_in(f"{path}.{name}", member, parameters) for name, member in members}
    if isinstance(node, list):
        items = enumerate(cast("list[_Node]", node))
        return [_fill_in(f"{path}[{index}]", item, parameters) for index, item in items]
    return node


def _decode(content: dict[str, Any]) -> Content:
    try:
        return msgspec.convert(content, Content)
    except msgspec.ValidationError as error:
        raise InvalidTemplate(f"content.{describe(error, {})}") from error
