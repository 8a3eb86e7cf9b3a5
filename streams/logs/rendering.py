"""How a log record becomes a line: structlog's processors, with redaction before the last one.

The line of the text format, `TIME LEVEL LOGGER: message`, is read back by
`read_message`. A traceback follows on lines of its own; in JSON it is a field, so that a record is always one
line.
"""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from structlog.processors import JSONRenderer, format_exc_info
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from streams.logs.redaction import redact, redact_value

_LEVEL_MARK: Final = " CRITICAL "
_EXIT_MARK: Final = re.compile(r" \(exit \d+, [A-Z_]+\)$")
_FREE_TEXT: Final = ("event", "exception", "stack")


def make_formatter(log_format: str, *, is_redacting: bool) -> logging.Formatter:
    """The formatter for `text` or `json`."""
    redaction: list[Processor] = [_redact] if is_redacting else []
    render = _render_json if log_format == "json" else _render_text
    return ProcessorFormatter(processors=[_collect, format_exc_info, *redaction, render])


def _collect(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """The fields of a record, the standard ones first; `extra` cannot replace them."""
    record: logging.LogRecord = event["_record"]
    extra = ExtraAdder()(logger, name, {"_record": record})
    return {
        "extra": {key: value for key, value in extra.items() if key != "_record"},
        "created": record.created,
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": event["event"],
        **({"exc_info": event["exc_info"]} if "exc_info" in event else {}),
        **({"stack": event["stack_info"]} if "stack_info" in event else {}),
    }


def _redact(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    masked = {key: _redact_text(event[key]) for key in _FREE_TEXT if key in event}
    return {**event, **masked, "extra": redact_value(event["extra"])}


def _redact_text(text: str) -> str:
    """A quote that is never closed hides all that follows it, but not the exit that `up` reads back."""
    exit_mark = _EXIT_MARK.search(text)
    mark = exit_mark[0] if exit_mark else ""
    return redact(text.removesuffix(mark)) + mark


def _render_text(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    moment = datetime.fromtimestamp(event["created"]).astimezone()
    time = f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03d}"
    extra = "".join(f" {key}={value}" for key, value in event["extra"].items())
    line = f"{time} {event['level'].upper()} {event['logger']}: {event['event']}{extra}"
    return "\n".join([line, *(event[key] for key in ("exception", "stack") if key in event)])


def _render_json(logger: WrappedLogger, name: str, event: EventDict) -> str:
    created = datetime.fromtimestamp(event["created"], UTC)
    fields = {key: event[key] for key in ("level", "logger", *_FREE_TEXT) if key in event}
    document = {"timestamp": created.isoformat(timespec="milliseconds")} | fields
    if event["extra"]:
        document["extra"] = event["extra"]
    return str(JSONRenderer(serializer=_dump_json)(logger, name, document))


def _dump_json(document: Any, **_options: Any) -> str:
    """JSON on one line; a number that JSON does not have (`nan`) becomes text."""
    return json.dumps(document, ensure_ascii=False, default=str)


def read_message(line: str) -> str:
    """Read back a line that a worker wrote, in either format.

    Returns the message of a line of level critical; any other line is a message itself.
    """
    if line.startswith("{"):
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError:
            return line
        return str(document.get("event", line))
    _, separator, rest = line.partition(_LEVEL_MARK)
    return rest.partition(": ")[2] if separator else line
