"""Reads the file of the endpoints: `WA_WEBHOOKS_FILE`. Secrets are never shown, also not in an error.

[crm]                                     # the name: positions, failures and metrics are kept under it
url = "https://crm.example/hooks"
secret = "whsec_…"                        # or a list, while a secret is replaced: each one signs
topics = ["status", "inbound"]            # both, without this line
types = ["wa.message.delivered"]          # all, without this line
"""

import base64
import re
import secrets
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta
from standardwebhooks.webhooks import Webhook
from yarl import URL

from streams.contract.inbound import EVENT_TYPE as RECEIVED_TYPE
from streams.contract.status import EVENT_TYPE_PREFIX, Status
from streams.settings import SettingError, Settings

TopicName: TypeAlias = Literal["status", "inbound"]

EVENT_TYPES: Final = (*(EVENT_TYPE_PREFIX + name for name in get_args(Status)), RECEIVED_TYPE)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_MIN_SECRET_BYTES: Final = 24  # of the specification
_MAX_SECRET_BYTES: Final = 64


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str
    secret: str | list[str]
    topics: Annotated[tuple[TopicName, ...], Meta(min_length=1)] = ("status", "inbound")
    types: Annotated[list[str], Meta(min_length=1)] | None = None
    allow_http: bool = False


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where events go, and which."""

    name: str
    url: str
    signers: tuple[Any, ...]
    topics: tuple[TopicName, ...]
    types: frozenset[str]

    def __repr__(self) -> str:
        return f"Endpoint({self.name})"

    def wants(self, event_type: str) -> bool:
        """Whether it gets events of this type."""
        return event_type in self.types


def make_secret() -> str:
    """A new secret, of 32 random bytes."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def load_endpoints(settings: Settings) -> dict[str, Endpoint]:
    """The endpoints by name; none if no file is set.

    Raises:
        SettingError: the file cannot be read, or an endpoint in it cannot be used.
    """
    if settings.webhooks_file is None:
        return {}
    path = Path(settings.webhooks_file).expanduser()
    label = f"WA_WEBHOOKS_FILE={path}"
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise SettingError(f"{label}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # The reason would show a part of the file, perhaps a secret.
        raise SettingError(f"{label}: is not TOML; correct it") from None
    return {name: _read_endpoint(label, name, entry) for name, entry in document.items()}


def _read_endpoint(label: str, name: str, entry: object) -> Endpoint:
    label = f"{label}: [{name}]"
    if not _NAME.fullmatch(name):
        raise SettingError(
            f"{label}: must be a name of at most 32 lower-case letters, digits and hyphens"
        )
    try:
        fields = msgspec.convert(entry, _Entry)
    except msgspec.ValidationError as error:
        raise SettingError(f"{label}: {error}") from None
    _check_url(label, fields.url, allow_http=fields.allow_http)
    types = frozenset(EVENT_TYPES if fields.types is None else fields.types)
    if unknown := types - set(EVENT_TYPES):
        raise SettingError(f"{label}: {min(unknown)!r} is not an event type; see docs/webhooks.md")
    keys = [fields.secret] if isinstance(fields.secret, str) else fields.secret
    return Endpoint(
        name=name,
        url=fields.url,
        signers=_make_signers(label, keys),
        topics=tuple(dict.fromkeys(fields.topics)),
        types=types,
    )


def _check_url(label: str, text: str, *, allow_http: bool) -> None:
    """The URL may have a password or a token in it, so it is not shown."""
    try:
        url = URL(text)
    except ValueError:
        raise SettingError(f"{label}: url: is not a URL") from None
    if url.scheme == "http" and not allow_http:
        raise SettingError(
            f"{label}: url: must begin with https://, or set allow_http = true: then everybody on the way reads along"
        )
    if url.scheme not in ("https", "http") or not url.host or url.user or url.fragment:
        raise SettingError(
            f"{label}: url: must begin with https://, and have a host, no user and no fragment"
        )


def _make_signers(label: str, keys: list[str]) -> tuple[Webhook, ...]:
    if not keys:
        raise SettingError(f"{label}: secret: is missing")
    for secret in keys:
        size = _count_bytes(secret)
        if not _MIN_SECRET_BYTES <= size <= _MAX_SECRET_BYTES:
            raise SettingError(
                f"{label}: secret: must be whsec_ and the base64 of {_MIN_SECRET_BYTES} to {_MAX_SECRET_BYTES} random "
                "bytes; `wa-streams webhooks secret` makes one"
            )
    return tuple(Webhook(secret) for secret in keys)


def _count_bytes(secret: str) -> int:
    """The size of the key; 0 if the text is none."""
    encoded = secret.removeprefix("whsec_").rstrip("=")
    if not re.fullmatch(r"[A-Za-z0-9+/]+", encoded) or not secret.startswith("whsec_"):
        return 0
    return len(encoded) * 3 // 4
