"""The runbook in the console: the pages of `docs/runbook/`, which `make docs` copies into one file. Changes nothing.

Only what these pages use of Markdown is known: headings, paragraphs, lists, code and links among themselves. A link to
another document keeps its text alone. The pages are ours; all the same, everything is escaped first.
"""

import re
from functools import cache
from pathlib import Path
from typing import Final

from markupsafe import Markup, escape

_FILE: Final = Path(__file__).parent / "runbook.md"
_TITLE: Final = re.compile(r"^# ([a-z_]+)\n\n", re.MULTILINE)
_LINK: Final = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")
_PAGE: Final = re.compile(r"([a-z_]+)\.md")
_CODE: Final = re.compile("`([^`]+)`")
_STRONG: Final = re.compile(r"\*([^*\s][^*]*)\*")
_HEADING, _ITEM, _CONTINUATION = "## ", "* ", "  "


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
    blocks = read_pages()[alert].strip().split("\n\n")
    return Markup("\n").join(map(_render_block, blocks))


def _render_block(block: str) -> Markup:
    lines = block.strip().splitlines()
    if block.startswith(_HEADING):
        return Markup("<h2>{}</h2>").format(block.strip().removeprefix(_HEADING))
    if not block.startswith(_ITEM):
        return Markup("<p>{}</p>").format(_render_text(" ".join(lines)))
    items: list[str] = []
    for line in lines:
        if line.startswith(_ITEM):
            items.append(line.removeprefix(_ITEM))
        else:
            items[-1] += f" {line.removeprefix(_CONTINUATION)}"
    listed = Markup("").join(Markup("<li>{}</li>").format(_render_text(item)) for item in items)
    return Markup("<ul>{}</ul>").format(listed)


def _render_text(text: str) -> Markup:
    html = _LINK.sub(_render_link, str(escape(text)))
    html = _CODE.sub(r"<code>\1</code>", html)
    return Markup(_STRONG.sub(r"<em>\1</em>", html))  # escaped above


def _render_link(match: re.Match[str]) -> str:
    text, page = match[1], _PAGE.fullmatch(match[2])
    if page is None or page[1] not in read_pages():
        return text
    return f'<a href="/runbook?alert={page[1]}">{text}</a>'
