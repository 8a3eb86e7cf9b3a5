"""Texts with placeholders: `Hello {{ name }}`. Compiles and renders one text, and chooses the language of a template.

The language is a part of Jinja's: placeholders, a few filters, and `if`. Loops, includes, macros, assignments,
arithmetic, attributes and calls are refused when the text is compiled, because no sandbox bounds what they cost. What
is left costs time in proportion to the text and to what it renders, and both are bounded. Nothing here reads anything.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import jinja2
from jinja2 import meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_CHARACTERS: Final = 65_536  # of a text, and of what it renders: the longest text of WhatsApp
MAX_TAGS: Final = 200  # of all texts of a template together
MAX_FILTERS: Final = 50  # too: each may go through a value of full length
MAX_NODES: Final = 1500
MAX_DEPTH: Final = 24
FILTERS: Final = ("capitalize", "d", "default", "lower", "title", "trim", "upper")
_TESTS: Final = ("defined", "undefined")
_COMPARISONS: Final = ("eq", "ne", "gt", "gteq", "lt", "lteq")
_ALLOWED: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Filter, nodes.Test, nodes.If,
    nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
)  # fmt: skip
_RESERVED_NAMES: Final = frozenset({"self", "loop", "caller", "varargs", "kwargs"})
_NODE_NAMES: Final = {
    nodes.For: "loops", nodes.Include: "includes", nodes.Import: "imports", nodes.FromImport: "imports",
    nodes.Extends: "extends", nodes.Block: "blocks", nodes.Macro: "macros", nodes.Call: "calls",
    nodes.CallBlock: "calls", nodes.Assign: "assignments", nodes.AssignBlock: "assignments",
    nodes.Getattr: "attributes", nodes.Getitem: "items", nodes.BinExpr: "calculations",
    nodes.UnaryExpr: "calculations", nodes.Concat: "calculations",
}  # fmt: skip


class InvalidTemplate(ValueError):
    """The text cannot be a template, or renders nothing that can be used. Says why, without repeating the text."""


class MissingParameter(LookupError):
    """The text needs a parameter that was not given. Its text is the name."""


class _Undefined(jinja2.StrictUndefined):
    """Its error says nothing but the name."""

    @property
    def _undefined_message(self) -> str:
        return self._undefined_name or ""


def _create_environment() -> ImmutableSandboxedEnvironment:
    environment: Any = ImmutableSandboxedEnvironment(
        undefined=_Undefined, autoescape=False, keep_trailing_newline=True, cache_size=0
    )
    environment.globals.clear()  # `range`, `lipsum` and others
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    return environment


_ENVIRONMENT: Final = _create_environment()


class TemplateText:
    """One text. It is compiled once and rendered often."""

    def __init__(self, text: str) -> None:
        """Raises InvalidTemplate if the text is refused."""
        self._text = text
        self.tag_count = text.count("{{") + text.count("{%")
        self.filter_count = 0
        self.parameters: frozenset[str] = frozenset()  # all that it names, needed or not
        self._template: jinja2.Template | None = None  # None: it holds nothing to fill in
        if len(text) > MAX_CHARACTERS:
            raise InvalidTemplate(f"has more than {MAX_CHARACTERS} characters")
        if any(mark in text for mark in ("{{", "{%", "{#")):
            self._compile()

    def _compile(self) -> None:
        check_cost([self])
        try:
            tree = _ENVIRONMENT.parse(self._text)
            _check_tree(tree)
            self.filter_count = sum(1 for _ in tree.find_all(nodes.Filter))
            self.parameters = frozenset(meta.find_undeclared_variables(tree))
            check_cost([self])
            self._template = _ENVIRONMENT.from_string(self._text)
        except jinja2.TemplateSyntaxError as error:
            raise InvalidTemplate(f"line {error.lineno}: {error.message}"[:200]) from None
        except (RecursionError, MemoryError, SyntaxError, ValueError) as error:
            if isinstance(error, InvalidTemplate):
                raise
            raise InvalidTemplate(
                "is nested too deeply, or holds a value that is too large"
            ) from error

    def render(self, parameters: Mapping[str, object]) -> str:
        """The text with these parameters filled in.

        Raises:
            MissingParameter: one that is needed is not among them.
            InvalidTemplate: the result is too long, or two values cannot be compared.
        """
        if self._template is None:
            return self._text
        pieces: list[str] = []
        size = 0
        try:
            for piece in self._template.generate(parameters):
                size += len(piece)
                if size > MAX_CHARACTERS:
                    raise InvalidTemplate(f"renders more than {MAX_CHARACTERS} characters")
                pieces.append(piece)
        except jinja2.UndefinedError as error:
            raise MissingParameter(str(error)) from error
        except (jinja2.TemplateError, TypeError) as error:
            raise InvalidTemplate(
                "cannot be rendered: compares or changes values that it cannot"
            ) from error
        return "".join(pieces)


def check_cost(texts: Iterable[TemplateText]) -> None:
    """Raises InvalidTemplate if these texts, which are rendered together, would take too long."""
    tag_count = filter_count = 0
    for text in texts:
        tag_count += text.tag_count
        filter_count += text.filter_count
    if tag_count > MAX_TAGS:
        raise InvalidTemplate(f"has more than {MAX_TAGS} placeholders")
    if filter_count > MAX_FILTERS:
        raise InvalidTemplate(f"has more than {MAX_FILTERS} filters")


def _check_tree(tree: nodes.Template) -> None:
    """Raises InvalidTemplate if the tree holds anything but what is allowed. Does not recurse."""
    pending: list[tuple[nodes.Node, int]] = [(tree, 0)]
    count = 0
    while pending:
        node, depth = pending.pop()
        count += 1
        if count > MAX_NODES or depth > MAX_DEPTH:
            raise InvalidTemplate("is too long or nested too deeply")
        _check_node(node)
        pending.extend((child, depth + 1) for child in node.iter_child_nodes())


def _check_node(node: nodes.Node) -> None:
    if not isinstance(node, _ALLOWED):
        names = (name for kind, name in _NODE_NAMES.items() if isinstance(node, kind))
        name = next(names, "other tags and values")
        raise InvalidTemplate(f"line {node.lineno}: {name} are not allowed")
    if isinstance(node, nodes.Name) and node.name in _RESERVED_NAMES:
        raise InvalidTemplate(f"line {node.lineno}: {node.name} cannot be a parameter")
    if isinstance(node, nodes.Filter) and node.args and node.name not in ("default", "d"):
        raise InvalidTemplate(f"line {node.lineno}: the filter {node.name} has no arguments")
    if isinstance(node, nodes.Operand) and node.op not in _COMPARISONS:
        raise InvalidTemplate(f"the comparison {node.op} is not allowed")


# -- languages


def canonical_language(language: str) -> str:
    """One spelling of a language: `pt-br` and `pt_BR` are the same."""
    return language.replace("-", "_").lower()


def iter_fallbacks(language: str | None, default: str | None) -> Iterator[str]:
    """The languages to look for, in this order, in their canonical spelling: `pt_br`, `pt`, the default."""
    if language is not None:
        parts = canonical_language(language).split("_")
        yield from ("_".join(parts[:length]) for length in range(len(parts), 0, -1))
    if default is not None:
        yield default


def choose_language(
    language: str | None, available: Collection[str], defaults: Collection[str]
) -> str | None:
    """The available language that serves a request for this one; None: there is none.

    `defaults` are those of the available languages that are marked as default. A template with one language alone
    has it as its default.
    """
    default = min(defaults, default=None)
    if default is None and len(available) == 1:
        default = next(iter(available))
    return next((name for name in iter_fallbacks(language, default) if name in available), None)
