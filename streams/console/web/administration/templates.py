"""The pages of the templates on `wa.templates`: list, show, put, delete. What is stored from here is valid.

The texts of a template are shown to who may operate, like the texts of messages.
"""

import asyncio

import orjson
from aiohttp import web

from streams.console.web.actions import TIMEOUT_S, Form, get_field, make_form_routes
from streams.console.web.console import Console, get_query, require_query
from streams.console.web.rendering import build_url, render
from streams.operations import templates as operations
from streams.operations.errors import UsageError

_EXAMPLE = """{
  "name": "shipped",
  "language": "en",
  "category": "transactional",
  "content": {"type": "text", "body": "Hello {{ name }}, your order {{ order }} is on its way."}
}"""


class TemplatePages:
    """The handlers."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes and their handlers."""
        forms: dict[str, Form] = {"/templates/put": self.put, "/templates/delete": self.delete}
        return [
            web.get("/templates", self.list),
            web.get("/template", self.show),
            *make_form_routes(self._console, forms),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Every template in every language, and a form for another one."""
        async with asyncio.timeout(TIMEOUT_S):
            stored = await operations.read_templates(self._console.settings)
        return render(
            self._console,
            request,
            "administration/templates.html",
            templates=stored,
            example=_EXAMPLE,
        )

    async def show(self, request: web.Request) -> web.Response:
        """One template in one language, with a form to change it."""
        name, language = require_query(request, "name"), get_query(request, "language")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = await operations.find_templates(self._console.settings, name, language)
        except UsageError as error:
            raise web.HTTPNotFound(text=str(error)) from None
        return render(
            self._console,
            request,
            "administration/template.html",
            stored=found[0],
            source=_format(found[0].value),
        )

    async def put(self, request: web.Request) -> tuple[str, str]:
        """Store the template that the form has, as JSON."""
        settings = self._console.settings
        records = operations.parse_templates("template", get_field(request, "template").encode())
        remarks = await operations.put_templates(settings, records)
        names = ", ".join(record.key for record in records)
        return " ".join([f"{names}: stored.", *remarks]), "/templates"

    async def delete(self, request: web.Request) -> tuple[str, str]:
        """Delete a template in one language."""
        settings, name = self._console.settings, get_field(request, "name")
        found = await operations.find_templates(settings, name, get_field(request, "language"))
        await operations.delete_templates(settings, found)
        return (
            f"{found[0].key}: deleted. What was rendered from it is sent all the same.",
            build_url("/templates"),
        )


def _format(value: bytes) -> str:
    """JSON with line breaks, or the text as it is."""
    try:
        return orjson.dumps(orjson.loads(value), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return value.decode(errors="replace")
