"""Turns values into HTML. Everything is escaped by the templates; nothing here marks a value of a user as safe."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import jinja2
import segno
from aiohttp import web
from markupsafe import Markup, escape

from streams.console.web.console import Console, get_session
from streams.console.web.guard import SESSION
from streams.contract.timestamps import format_age, parse_rfc3339

STATIC_DIR: Final = Path(__file__).parent / "static"
_TEMPLATE_DIR: Final = Path(__file__).parent / "templates"
PAGE_ROWS: Final = 50
MAX_PAGE: Final = 10_000
_QR_BORDER: Final = 4  # what the standard wants: a page can be dark

# What turns the direction of a text (a <bdi> does not hold an isolate that is never closed), and other controls.
_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _show_controls(value: Any) -> Any:
    """Each value as it is shown: characters that nobody sees are seen."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _CONTROLS.sub("\ufffd", value)
    return value


_loader: Final = jinja2.FileSystemLoader(_TEMPLATE_DIR)
_environment = jinja2.Environment(
    loader=_loader,
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=_show_controls,
)


def add_templates(folder: Path, filters: Mapping[str, Callable[..., Any]]) -> None:
    """Let the pages use the templates of this folder, with their filters. A second time changes nothing."""
    if str(folder) not in _loader.searchpath:
        _loader.searchpath.append(str(folder))
        _environment.filters.update(filters)


def _format_time(value: float | str | None) -> Markup:
    """A moment in UTC, which a machine can read too. A text that is not a time is shown as it is."""
    if not value:
        return Markup("")
    try:
        moment_s = parse_rfc3339(value) if isinstance(value, str) else value
        moment = datetime.fromtimestamp(moment_s, UTC)
    except (ValueError, OverflowError, OSError):
        return escape(value)
    text = moment.strftime("%Y-%m-%d %H:%M:%S")
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), text)


def build_url(path: str, **query: Any) -> str:
    """A path of the console with these fields; what is None or empty is left out."""
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def _draw_qr(text: str) -> Markup:
    """The code as SVG, dark on light in every colour scheme."""
    code = segno.make_qr(text, error="l")
    # The library writes the size and the path of the modules, and nothing of the text.
    return Markup(code.svg_inline(border=_QR_BORDER, dark="#000", light="#fff", scale=6))


_environment.filters["time"] = _format_time
_environment.filters["age"] = format_age
_environment.filters["qr"] = _draw_qr
_environment.globals["link"] = build_url


def render(
    console: Console, request: web.Request, template: str, status: int = 200, **values: Any
) -> web.Response:
    """A page of a session. Its template can use the session, the notice and the state of the read model."""
    session = get_session(request)
    html = _environment.get_template(template).render(
        session=session,
        notice=console.notices.take(session.id)
        if request.headers.get("HX-Request") is None
        else None,
        path=request.path,
        here=request.path_qs,
        behind=console.model.behind,
        kafka_silent_since_s=console.kafka_silent_since_s,
        needs_token=not console.access.is_open,
        now_s=console.now_s(),
        **values,
    )
    return web.Response(status=status, text=html, content_type="text/html")


def render_plain(
    request: web.Request, template: str, status: int = 200, **values: Any
) -> web.Response:
    """A page without a session: the login, and errors."""
    session = request.get(SESSION)
    html = _environment.get_template(template).render(session=session, path=request.path, **values)
    return web.Response(status=status, text=html, content_type="text/html")


def read_offset(request: web.Request) -> tuple[int, int]:
    """The number of the requested page, from 1, and the rows before it.

    Raises:
        HTTPBadRequest: it is not such a number.
    """
    text = request.query.get("page", "1")
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) <= MAX_PAGE):
        raise web.HTTPBadRequest(text="page: is not the number of a page")
    return int(text), (int(text) - 1) * PAGE_ROWS
