"""Who may do what: tokens, session cookies, and the checks against other web pages. Knows no page and no Kafka.

There are two roles. `view` sees everything except texts of messages and link codes. `operate` sees those too, and
may act. Without any token, everybody on this machine operates: the server then answers only to a loopback host name,
because a web page elsewhere could give its own host name this address (DNS rebinding).

A session is a signed cookie. The key of the signature is that of this process, so a restart ends every session.
"""

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from aiohttp import web

from streams.system.network import is_loopback

SESSION_LIFETIME_S: Final = 12 * 3600.0
MAX_FAILED_LOGINS: Final = 10  # in any minute, from one address
_MAX_ADDRESSES: Final = 10_000  # whose failures are remembered
_WINDOW_S: Final = 60.0
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
_OWN_SITES: Final = frozenset({"same-origin", "none"})  # none: a person typed the address


class Role(StrEnum):
    """What somebody may do."""

    VIEW = "view"
    OPERATE = "operate"


class Session(NamedTuple):
    """A person's session. `csrf` must come with each form; `id` names the session in this process."""

    id: str
    role: Role
    csrf: str

    @property
    def can_operate(self) -> bool:
        """Whether texts are shown, and forms accepted."""
        return self.role is Role.OPERATE


class Access:
    """The tokens, and the sessions that this process has given out."""

    def __init__(
        self,
        view_token: str | None,
        operate_token: str | None,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens = {Role.OPERATE: operate_token, Role.VIEW: view_token}
        self._key = secrets.token_bytes(32)
        self._monotonic_s = monotonic_s
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    @property
    def is_open(self) -> bool:
        """Whether no token is needed."""
        return not any(self._tokens.values())

    def find_role(self, given_token: str) -> Role | None:
        """The role of this token."""
        for role, token in self._tokens.items():
            if token and hmac.compare_digest(
                given_token.encode(errors="surrogateescape"), token.encode()
            ):
                return role
        return None

    def log_in(self, given_token: str, address: str) -> Role | None:
        """The role of this token, for a person at this address who types it.

        A minute with too many wrong ones refuses the address; others, sessions and tokens of programs go on.
        """
        network = _find_network(address)
        recent = self._list_failures(network)
        if len(recent) >= MAX_FAILED_LOGINS:
            return None
        role = self.find_role(given_token)
        if role is None:
            self._failures[network] = [*recent, self._monotonic_s()]
            self._failures.move_to_end(network)
        return role

    def _list_failures(self, network: str) -> list[float]:
        """The failures from there in the last minute. Those of others that are older are removed."""
        bound_s = self._monotonic_s() - _WINDOW_S
        while self._failures:
            oldest = next(iter(self._failures))
            if self._failures[oldest][-1] > bound_s and len(self._failures) <= _MAX_ADDRESSES:
                break
            del self._failures[oldest]
        return [at_s for at_s in self._failures.get(network, ()) if at_s > bound_s]

    # -- sessions

    def make_cookie(self, role: Role) -> str:
        """The cookie of a new session."""
        expires = int(self._monotonic_s() + SESSION_LIFETIME_S)
        content = f"{role}.{expires}.{secrets.token_urlsafe(16)}"
        return f"{content}.{self._sign('session', content)}"

    def read_cookie(self, cookie: str | None) -> Session | None:
        """The session of this cookie; None if it is not ours, or over."""
        content, _, signature = (cookie or "").rpartition(".")
        expected = self._sign("session", content)
        if not hmac.compare_digest(signature.encode(errors="replace"), expected.encode()):
            return None
        role, expires, session_id = content.split(".")
        if int(expires) < self._monotonic_s():
            return None
        return Session(session_id, Role(role), self._sign("csrf", content))

    def _sign(self, purpose: str, content: str) -> str:
        message = f"{purpose}:{content}".encode(errors="replace")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()


def _find_network(address: str) -> str:
    """Whoever has an IPv6 address has all of its network."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4 or parsed.ipv4_mapped is not None:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def get_bearer_token(request: web.Request) -> str:
    """The token that a program sends; empty if there is none."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def is_foreign_host(request: web.Request) -> bool:
    """Whether the request came under a host name that is not this machine's own."""
    try:
        return not is_loopback(request.url.host or "")
    except ValueError:  # the header Host is not a host
        return True


def is_from_other_site(request: web.Request) -> bool:
    """Whether a page of another site made this request or led here. A browser says so; a program says nothing."""
    site = request.headers.get("Sec-Fetch-Site")
    return site is not None and site not in _OWN_SITES


def is_cross_site(request: web.Request) -> bool:
    """Whether a page of another site made this request, and it is one that may change something."""
    if request.method in _SAFE_METHODS:
        return False
    if is_from_other_site(request):
        return True
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    return urlsplit(origin).netloc.lower() != request.host.lower()
