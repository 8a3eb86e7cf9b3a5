"""The diagnosis of an account's browser and page: the values that `doctor` prints.

For bug reports, so nothing personal may be a field: no phone number, name, chat, message, code or key.
A value is None where it could not be read.
"""

from typing import Any

import msgspec

from streams.logs.redaction import redact


class Symbol(msgspec.Struct, frozen=True):
    """One thing that the adapter needs of WhatsApp's page. `address` is `module.export` or a member of it."""

    group: str
    name: str
    address: str
    is_present: bool


class Document(msgspec.Struct, frozen=True):
    """What the browser has loaded. The times are those of the browser, from the start of the navigation."""

    url: str | None = None
    title: str | None = None
    is_unsupported_browser: bool | None = None
    module_count: int | None = None
    user_agent: str | None = None
    brands: tuple[str, ...] = ()
    whatsapp_version: str | None = None
    wa_js_version: str | None = None
    is_wa_js_ready: bool | None = None
    response_s: float | None = None
    dom_ready_s: float | None = None
    loaded_s: float | None = None


class PageSession(msgspec.Struct, frozen=True):
    """The session in WhatsApp's own words. Times are epoch seconds.

    `clock_difference_s` is our clock minus that of WhatsApp's server, which the page measures when it
    connects. `pending_rows` are messages of ours that the page has in memory with ack 0.
    """

    is_linked: bool | None = None
    socket: str | None = None
    stream: str | None = None
    mode: str | None = None
    is_online: bool | None = None
    retry_at_s: float | None = None
    is_offline_delivery_over: bool | None = None
    offline_delivery_percent: float | None = None
    logout_reason_code: str | None = None
    is_update_needed: bool | None = None
    is_time_locked: bool | None = None
    time_lock_until_s: float | None = None
    time_lock_kind: str | None = None
    new_chat_quota: float | None = None
    new_chats_used: float | None = None
    new_chat_quota_until_s: float | None = None
    new_chat_cap_status: str | None = None
    pending_rows: int | None = None
    failed_rows: int | None = None
    clock_difference_s: float | None = None


class PageDiagnosis(msgspec.Struct, frozen=True):
    """What adapter/diagnosis.js returns."""

    document: Document = Document()
    session: PageSession = PageSession()
    codecs: dict[str, bool | None] = {}
    symbols: tuple[Symbol, ...] = ()
    storage_used_mb: float | None = None
    storage_quota_mb: float | None = None


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """One account's browser at `taken_at_s` (epoch).

    `page` is None if there is no page that answers; `page_error` then says why. `start_times_s` are the
    seconds from the last opening of the page to each step that was reached.
    """

    taken_at_s: float
    phase: str
    reason: str | None = None
    phase_since_s: float | None = None
    until_s: float | None = None
    degraded: tuple[str, ...] = ()
    chromium_version: str | None = None
    profile_free_mb: float | None = None
    start_times_s: dict[str, float] = {}
    page: PageDiagnosis | None = None
    page_error: str | None = None


def parse_page(answer: dict[str, Any]) -> PageDiagnosis:
    """The page's answer. Raises msgspec.ValidationError."""
    return msgspec.convert(answer, PageDiagnosis, strict=False)


def hide_personal(text: str | None) -> str | None:
    """A reason or an error's text, without phone numbers."""
    return None if text is None else redact(text)
