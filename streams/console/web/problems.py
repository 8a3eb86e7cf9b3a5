"""Errors of the API as problem details (RFC 9457), and which error of the project is which. Knows no page."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web
from aiokafka.errors import KafkaError

from streams.console.model.database import ModelDamaged
from streams.kafka.admin import InvalidTopics
from streams.kafka.connection import KafkaUnreachable
from streams.kafka.producing import TopicForbidden
from streams.kafka.reader import TopicNotFound
from streams.operations.errors import CommandError, UsageError

CONTENT_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 5
# What Kafka is the reason of; another try may work.
UNAVAILABLE_ERRORS: Final = (
    KafkaError,
    KafkaUnreachable,
    TopicNotFound,
    TopicForbidden,
    InvalidTopics,
    ModelDamaged,
    TimeoutError,
)
EXPECTED_ERRORS: Final = (*UNAVAILABLE_ERRORS, CommandError)


def problem(
    status: int,
    detail: str,
    *,
    title: str | None = None,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> web.Response:
    """A problem document. `members` are added to it; those that are None are left out."""
    document = {
        "type": "about:blank",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    } | {name: value for name, value in members.items() if value is not None}
    return web.Response(
        status=status, body=orjson.dumps(document), content_type=CONTENT_TYPE, headers=headers
    )


class Refused(Exception):
    """The request is answered with this problem."""

    def __init__(self, response: web.Response) -> None:
        super().__init__()
        self.response = response


def get_status(error: Exception) -> int:
    """The HTTP status of an expected error."""
    if isinstance(error, UsageError):
        return 400
    return 409 if isinstance(error, CommandError) else 503


def describe(error: Exception) -> str:
    """The error in one line."""
    if isinstance(error, ModelDamaged):
        return "the console is reading the topics again; try again in a moment"
    if isinstance(error, TimeoutError):
        return "Kafka did not answer in time"
    return " ".join(str(error).split()) or type(error).__name__


def problem_of(error: Exception, **members: Any) -> web.Response:
    """The problem document of an expected error."""
    status = get_status(error)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    return problem(status, describe(error), headers=headers, **members)
