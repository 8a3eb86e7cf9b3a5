"""The runbook in the console: the pages of `docs/runbook/`, which `make docs` copies into one file. Changes nothing.

A link to another page of the runbook leads to it in the console; a link to another document keeps its text alone.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_FILE: Final = Path(__file__).parent / "runbook.md"
_TITLE: Final = re.compile(r"^# ([a-z_]+)\n\n", re.MULTILINE)
_PAGE: Final = re.compile(r"([a-z_]+)\.md")
# The pages are ours; all the same, HTML in them is escaped.
_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False})


@cache
def read_pages() -> dict[str, str]:
    """The text of each page, by the name of its alert."""
    _, *parts = _TITLE.split(_FILE.read_text())
    return dict(zip(parts[::2], parts[1::2], strict=True))


@cache
def render_page(alert: str) -> Markup:
    """The page of this alert, without its title.

    Raises:
        KeyError: there is no page of this name.
    """
    tokens = _MARKDOWN.parse(read_pages()[alert])
    for token in tokens:
        if token.children is not None:
            token.children = list(_follow_links(token.children))
    html: str = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    return Markup(html)  # escaped by the renderer


def _follow_links(tokens: Sequence[Token]) -> Iterator[Token]:
    is_dropped = False
    for token in tokens:
        if token.type == "link_open":
            page = _PAGE.fullmatch(str(token.attrGet("href")))
            is_dropped = page is None or page[1] not in read_pages()
            if page is not None:
                token.attrSet("href", f"/runbook?alert={page[1]}")
        if not (is_dropped and token.type in ("link_open", "link_close")):
            yield token
