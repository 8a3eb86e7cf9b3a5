"""`send`: ask for one message. `status`: what became of messages."""

import asyncio
import base64
import json
import mimetypes
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import click

from streams.cli import output
from streams.cli.time_param import Moment, clock
from streams.client import SENT_STATUSES, RequestOptions, SendResponse, WhatsApp
from streams.contract import status as wire
from streams.contract.status import StatusEvent
from streams.local import run_dir
from streams.operations.errors import Failed
from streams.settings import load

_MEDIA = ("image", "video", "audio")
_HOUR_S = 3600.0


class _Json(click.ParamType):
    """A JSON object."""

    name = "json"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        try:
            found = json.loads(str(value))
        except ValueError as error:
            self.fail(f"is not JSON ({error}).")
        if not isinstance(found, dict):
            self.fail("must be a JSON object.")
        return found


@click.command()
@click.argument("to")
@click.argument("text", required=False)
@click.option("--content", type=_Json(), help="the contract's content, instead of a text")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="a picture, film, sound or document, with TEXT as its caption",
)
@click.option("--id", help="idempotency key; none: a new one")
@click.option("--priority", type=click.Choice(["urgent", "normal", "bulk"]))
@click.option("--category", type=click.Choice(["transactional", "marketing"]))
@click.option("--send-at", help="not before, RFC 3339")
@click.option("--expires-at", help="not after, RFC 3339")
@click.option("--account", help="sending account; none: chosen for the phone")
@click.option("--metadata", type=_Json(), help="echoed in every status")
@click.option("--wait", is_flag=True, help="until it is sent, or ended otherwise")
@click.option("--within", default=60.0, show_default=True, help="seconds to wait")
@output.json_option
def send(
    to: str,
    text: str | None,
    content: dict[str, Any] | None,
    file: Path | None,
    id: str | None,
    wait: bool,
    within: float,
    as_json: bool,
    **options: Any,
) -> None:
    """Ask for one message to the phone number TO."""
    asked = _content(text, content, file)
    given = cast(RequestOptions, {name: value for name, value in options.items() if value is not None})
    settings = run_dir.connected(load())

    async def ask() -> SendResponse | StatusEvent:
        async with WhatsApp(settings=settings) as whatsapp:
            if wait:
                given.setdefault("priority", "normal")  # to wait is no reason to overtake
                return await whatsapp.send_immediate(to, asked, id=id, timeout_s=within, **given)
            return await whatsapp.send(to, asked, id=id, **given)

    try:
        _answered(asyncio.run(ask()), as_json)
    except TimeoutError:
        raise Failed(
            f"no answer within {within:g} s; the request stands. Does a dispatcher run (`wa-streams ps`)?"
        ) from None


def _content(
    text: str | None, content: dict[str, Any] | None, file: Path | None
) -> str | dict[str, Any]:
    if content is not None and (text is not None or file is not None):
        raise click.UsageError("--content says all of it: leave out TEXT and --file.")
    if content is not None:
        return content
    if file is not None:
        return _media(file, text)
    if text is None:
        raise click.UsageError("Nothing to send: give TEXT, --file or --content.")
    return text


def _media(file: Path, caption: str | None) -> dict[str, Any]:
    mime = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    kind = mime.partition("/")[0]
    media: dict[str, Any] = {
        "type": kind if kind in _MEDIA else "document",
        "data": base64.b64encode(file.read_bytes()).decode(),
        "mime": mime,
        "filename": file.name,
    }
    return media if caption is None else media | {"caption": caption}


def _answered(answer: SendResponse | StatusEvent, as_json: bool) -> None:
    if isinstance(answer, SendResponse):
        said = {name: value for name, value in asdict(answer).items() if value is not None}
        output.document(said) if as_json else output.data(f"{answer.id}: Kafka has it")
        return
    _print(answer, as_json)
    if answer.status not in SENT_STATUSES:
        why = f": {answer.error.code}" if answer.error else ""
        raise Failed(f"{answer.id} was not sent: {answer.status}{why}")


@click.command()
@click.argument("id", required=False)
@click.option("--follow", "-f", is_flag=True, help="and what comes from now on, until Ctrl-C")
@click.option("--since", type=Moment(), help="15m, 2h, 7d, or a time; default with an ID: all")
@output.json_option
def status(id: str | None, follow: bool, since: float | None, as_json: bool) -> None:
    """Print status events: of the request ID, or of all in the last hour."""
    settings = run_dir.connected(load())

    async def show() -> int:
        seen: set[str] = set()
        async with WhatsApp(settings=settings) as whatsapp:
            async for event in _events(whatsapp, id, follow, since):
                if event.event_id not in seen:  # at least once, but a person reads a fact once
                    seen.add(event.event_id)
                    _print(event, as_json)
        return len(seen)

    try:
        count = asyncio.run(show())
    except KeyboardInterrupt:
        return
    if id is not None and not count:
        raise Failed(f"no status of {id} is kept; is that the request's id?")


def _events(
    whatsapp: WhatsApp, id: str | None, follow: bool, since_s: float | None
) -> AsyncIterator[StatusEvent]:
    if since_s is None and id is None and not follow:
        since_s = time.time() - _HOUR_S
    if not follow:
        return whatsapp.history(id=id, since_s=since_s or 0.0)
    if since_s is None and id is not None:
        since_s = 0.0
    return whatsapp.statuses(id=id, since_s=since_s)


def _print(event: StatusEvent, as_json: bool) -> None:
    if as_json:
        output.data(wire.encode(event).decode())
        return
    told = (clock(event.at), event.id, event.to or "-", event.status, _detail(event))
    output.data("  ".join(each for each in told if each))


def _detail(event: StatusEvent) -> str:
    """What a person wants to know beside the word."""
    if event.error is not None:
        return f"{event.error.code}: {event.error.detail}"
    place = None if event.queue_position is None else f"{event.queue_position} ahead"
    due = None if event.due_at is None else f"due {clock(event.due_at)}"
    said = (event.reason, place, due, event.account and f"by {event.account}")
    return ", ".join(str(each) for each in said if each)
