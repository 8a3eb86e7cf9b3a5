"""The URL of a file, as far as it can be judged without fetching anything: its form, and its scheme. Pure.

A URL that can never be fetched is rejected at acceptance. What a name resolves to is checked when the file is fetched
(streams/media), each time.
"""

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import unquote, urlsplit

from streams.contract.errors import InvalidRequest
from streams.contract.request import file_type
from streams.contract.request.content import FILENAME_PATTERN, MAX_FILENAME_CHARACTERS

WEB_SCHEMES: Final = frozenset({"http", "https"})
UPLOAD_SCHEME: Final = "wa-media"  # of what was uploaded with `POST /api/media`
_FILENAME: Final = re.compile(FILENAME_PATTERN)


def check(url: str, schemes: Collection[str] = ()) -> str:
    """Returns the host. `schemes`: those that are allowed besides http, https and wa-media.

    Raises:
        InvalidRequest: the URL is not one, or may not be fetched.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidRequest("schema_violation", f"content.url: is not a URL ({error})") from error
    if parts.scheme not in {*WEB_SCHEMES, UPLOAD_SCHEME, *schemes}:
        allowed = ", ".join(sorted(WEB_SCHEMES | set(schemes)))
        raise _refuse(f"only {allowed} may be fetched; the operator can set WA_MEDIA_SCHEMES")
    if "@" in parts.netloc:
        raise _refuse("must not contain a user name or a password; use a signed URL")
    if "::" in url and parts.scheme not in WEB_SCHEMES:
        raise _refuse("must not chain several file systems with `::`")
    if not host:
        raise InvalidRequest("schema_violation", "content.url: has no host")
    return host


def make_filename(text: str | None) -> str | None:
    """A name that a server gives for its file, if it is one that may be sent."""
    name = (text or "").strip()
    is_name = bool(name.strip(". ")) and len(name) <= MAX_FILENAME_CHARACTERS
    return name if is_name and _FILENAME.search(name) else None


def read_filename(url: str) -> str | None:
    """The name at the end of the URL, if it has an extension: `report.pdf`, and not `download`."""
    name = make_filename(unquote(urlsplit(url).path.rpartition("/")[2], errors="replace"))
    return name if name and file_type.get_extension_of_name(name) else None


def _refuse(detail: str) -> InvalidRequest:
    return InvalidRequest("media_url_not_allowed", f"content.url: {detail}")
