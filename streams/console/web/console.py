"""What the handlers share: the parts of the console, and one result for each person who has just acted."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from aiohttp import web

from streams.console.accounts import ConsoleAccounts
from streams.console.model.read_model import ReadModel
from streams.console.producing import ConsoleProducer
from streams.console.web.access import Access, Session
from streams.console.web.guard import SESSION
from streams.console.web.live import Changes
from streams.domain.numbers import InvalidPhone
from streams.domain.recipients import to_recipient
from streams.settings import Settings

_MAX_NOTICES: Final = 200
# Two probes of the clock, and the time that a slow broker may take.
MAX_KAFKA_SILENCE_S: Final = 25.0


class Notice(NamedTuple):
    """What became of a form: shown once, on the next page."""

    text: str
    is_error: bool = False


class Notices:
    """The notice of each session; the oldest are dropped."""

    def __init__(self) -> None:
        self._notices: OrderedDict[str, Notice] = OrderedDict()

    def put(self, session_id: str, notice: Notice) -> None:
        """Show this on the next page of the session."""
        self._notices[session_id] = notice
        self._notices.move_to_end(session_id)
        while len(self._notices) > _MAX_NOTICES:
            self._notices.popitem(last=False)

    def take(self, session_id: str) -> Notice | None:
        """The notice, which is then forgotten."""
        return self._notices.pop(session_id, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """The parts. `now_s`: the broker's time. `kafka_silence_s`: how long ago Kafka last confirmed a record."""

    settings: Settings
    model: ReadModel
    accounts: ConsoleAccounts
    producer: ConsoleProducer
    access: Access
    changes: Changes
    now_s: Callable[[], float]
    kafka_silence_s: Callable[[], float]
    notices: Notices = field(default_factory=Notices)

    @property
    def kafka_silent_since_s(self) -> float | None:
        """Since when Kafka gives no answer (epoch): what the pages show may be out of date. None: it answers."""
        silence_s = self.kafka_silence_s()
        return self.now_s() - silence_s if silence_s > MAX_KAFKA_SILENCE_S else None

    def read_recipient(self, text: str) -> str:
        """The recipient as the read model names it; the text itself if it is neither a number nor a group."""
        try:
            return to_recipient(text, self.settings.default_region)
        except InvalidPhone:
            return text


def get_session(request: web.Request) -> Session:
    """The session of a page's request."""
    return request[SESSION]


def get_query(request: web.Request, name: str) -> str:
    """A field of the query string, without white space around it; empty if it is missing.

    Raises:
        HTTPBadRequest: it is longer than anything that is looked for.
    """
    text = request.query.get(name, "").strip()
    if len(text) > 1000 or "\0" in text:
        raise web.HTTPBadRequest(text=f"{name}: cannot be read")
    return text


def require_query(request: web.Request, name: str) -> str:
    """A field that must be there.

    Raises:
        HTTPBadRequest: it is missing.
    """
    text = get_query(request, name)
    if not text:
        raise web.HTTPBadRequest(text=f"{name}: is missing")
    return text
