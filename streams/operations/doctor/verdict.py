"""What a diagnosis means: one finding for each part of it, with what to do. Pure.

What is said of WhatsApp's page is known from its code (build 1044822804); docs/first_day.md says what of it
was never seen with a real account.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import msgspec

from streams.contract.timestamps import format_rfc3339
from streams.whatsapp import reasons
from streams.whatsapp.diagnosis import Diagnosis, Document, PageDiagnosis, PageSession, Symbol

_MIN_FREE_MB: Final = 500  # with less, the profile is not opened (WA_MIN_FREE_DISK_MB)
_MAX_CLOCK_DIFFERENCE_S: Final = 60
_UPDATE_ADVICE: Final = (
    "WhatsApp has changed: set WA_WHATSAPP_BUNDLE to a newer wa-js, or report it"
)

_PHASE_ADVICE: Final = {
    "linking": "link it: `wa-streams accounts link NAME`",
    "restricted": "wait for the end of the restriction; open WhatsApp on the phone to see its reason",
    "logged_out": "link it again: `wa-streams accounts link NAME`",
    "stopped": "start its sender, and read its log",
}


class Verdict(StrEnum):
    """What a finding comes to. Only WRONG changes the exit code."""

    OK = "ok"
    CHECK = "check"
    WRONG = "wrong"


class Finding(msgspec.Struct, frozen=True):
    """One line of the report."""

    name: str
    verdict: Verdict
    detail: str
    advice: str = ""


def judge(diagnosis: Diagnosis) -> list[Finding]:
    """The findings, in the order in which they are printed."""
    findings = [_judge_phase(diagnosis), _judge_page(diagnosis)]
    if diagnosis.page is not None:
        page = diagnosis.page
        findings.append(_judge_browser(diagnosis, page))
        if page.document.is_wa_js_ready:
            findings += [_judge_connection(page.session), _judge_messages(page.session)]
            findings += [_judge_limits(page.session), _judge_clock(page.session)]
        if page.document.module_count:
            findings += _judge_symbols(page.symbols)
        findings.append(_judge_codecs(page))
    findings += [_judge_disk(diagnosis), _judge_start(diagnosis)]
    return findings


def is_wrong(findings: list[Finding]) -> bool:
    """Whether something must be done."""
    return any(finding.verdict is Verdict.WRONG for finding in findings)


def _judge_phase(diagnosis: Diagnosis) -> Finding:
    since = f" since {format_rfc3339(diagnosis.phase_since_s)}" if diagnosis.phase_since_s else ""
    reason = f" ({diagnosis.reason})" if diagnosis.reason else ""
    until = f" until {format_rfc3339(diagnosis.until_s)}" if diagnosis.until_s else ""
    verdict = Verdict.CHECK
    if diagnosis.phase == "ready":
        verdict = Verdict.OK
    elif diagnosis.phase in ("restricted", "logged_out", "stopped"):
        verdict = Verdict.WRONG
    advice = (
        reasons.REASONS.get(diagnosis.reason or "")
        or _PHASE_ADVICE.get(diagnosis.phase)
        or "wait; if it lasts for minutes, report it"
    )
    return Finding("state", verdict, f"{diagnosis.phase}{reason}{since}{until}", advice)


def _judge_page(diagnosis: Diagnosis) -> Finding:
    if diagnosis.page is None:
        detail = diagnosis.page_error or "none"
        return Finding("page", Verdict.WRONG, detail, "start the sender, or use --live")
    document = diagnosis.page.document
    place = f"{document.url} ({document.title or 'no title'})"
    if document.is_unsupported_browser:
        return Finding("page", Verdict.WRONG, f"{place}: unsupported browser", "update Chromium")
    if not document.module_count:
        advice = "check the network and the address; report the title and the user agent"
        return Finding("page", Verdict.WRONG, f"{place}: none of WhatsApp's modules", advice)
    if not document.is_wa_js_ready:
        detail = f"{place}: {document.module_count} modules, wa-js is not ready"
        return Finding("page", Verdict.WRONG, detail, _UPDATE_ADVICE)
    if diagnosis.page.session.is_update_needed:
        return Finding("page", Verdict.CHECK, f"{place}: wants an update", "restart the sender")
    return Finding("page", Verdict.OK, f"{place}, {document.module_count} modules")


def _judge_browser(diagnosis: Diagnosis, page: PageDiagnosis) -> Finding:
    document = page.document
    versions = (
        f"WhatsApp {document.whatsapp_version or 'unknown'}, wa-js {document.wa_js_version or 'none'}, "
        f"Chromium {diagnosis.chromium_version or 'unknown'}"
    )
    is_headless = _names_headless(document)
    verdict = Verdict.WRONG if is_headless else Verdict.OK
    detail = f"{versions}; {document.user_agent}; brands: {', '.join(document.brands) or 'none'}"
    return Finding("versions", verdict, detail, "the user agent must not name Headless: report it")


def _names_headless(document: Document) -> bool:
    return "Headless" in " ".join((document.user_agent or "", *document.brands))


def _judge_connection(session: PageSession) -> Finding:
    words = f"socket {session.socket}, stream {session.stream}, mode {session.mode}"
    if not session.is_linked:
        return Finding(
            "connection", Verdict.CHECK, f"{words}, not linked", _PHASE_ADVICE["linking"]
        )
    if session.socket != "CONNECTED" or session.stream != "CONNECTED":
        retry = f", next try {format_rfc3339(session.retry_at_s)}" if session.retry_at_s else ""
        advice = "check the network; the page tries again by itself, at most every 15 minutes"
        return Finding("connection", Verdict.WRONG, f"{words}{retry}", advice)
    if session.is_offline_delivery_over is False:
        percent = session.offline_delivery_percent
        progress = "" if percent is None else f", {percent:.0f} %"
        detail = f"{words}; offline delivery{progress}"
        return Finding(
            "connection", Verdict.CHECK, detail, "wait: it takes minutes on a busy account"
        )
    return Finding("connection", Verdict.OK, f"{words}, offline delivery over")


def _judge_messages(session: PageSession) -> Finding:
    detail = (
        f"{session.pending_rows or 0} without an ack, {session.failed_rows or 0} marked as failed"
    )
    verdict = Verdict.CHECK if session.pending_rows else Verdict.OK
    return Finding("messages", verdict, detail, "they are sent again; if they stay, report it")


def _judge_limits(session: PageSession) -> Finding:
    parts: list[str] = []
    if session.is_time_locked:
        parts.append(f"time lock ({session.time_lock_kind}){_until(session.time_lock_until_s)}")
    if session.new_chat_quota is not None:
        used, total = session.new_chats_used or 0, session.new_chat_quota
        end = _until(session.new_chat_quota_until_s)
        parts.append(f"new chats {used:.0f} of {total:.0f}{end} ({session.new_chat_cap_status})")
    if session.logout_reason_code is not None:
        parts.append(f"last logout: code {session.logout_reason_code}")
    is_capped = session.new_chat_cap_status == "CAPPED"
    verdict = Verdict.CHECK if session.is_time_locked or is_capped else Verdict.OK
    advice = "messages to strangers wait or use another account; send less to strangers"
    return Finding("limits", verdict, ", ".join(parts) or "none", advice)


def _judge_clock(session: PageSession) -> Finding:
    difference_s = session.clock_difference_s
    if difference_s is None:
        return Finding("clock", Verdict.OK, "not measured: the page measures it when it connects")
    is_wrong_clock = abs(difference_s) > _MAX_CLOCK_DIFFERENCE_S
    verdict = Verdict.CHECK if is_wrong_clock else Verdict.OK
    detail = f"{difference_s:+.0f} s against WhatsApp's server"
    return Finding("clock", verdict, detail, "set this machine's clock (NTP)")


def _judge_symbols(symbols: tuple[Symbol, ...]) -> Iterator[Finding]:
    for group in dict.fromkeys(symbol.group for symbol in symbols):
        members = [symbol for symbol in symbols if symbol.group == group]
        missing = [symbol.address for symbol in members if not symbol.is_present]
        detail = f"{len(members) - len(missing)} of {len(members)} symbols"
        if missing:
            detail += f"; missing: {', '.join(missing)}"
        verdict = Verdict.WRONG if missing else Verdict.OK
        yield Finding(group.replace("_", "-"), verdict, detail, _UPDATE_ADVICE)


def _judge_codecs(page: PageDiagnosis) -> Finding:
    missing = [name for name, is_there in page.codecs.items() if not is_there]
    if missing:
        advice = "install Debian's or Google's Chromium: media of these kinds cannot be prepared"
        return Finding("codecs", Verdict.CHECK, f"missing: {', '.join(missing)}", advice)
    return Finding("codecs", Verdict.OK, ", ".join(page.codecs))


def _judge_disk(diagnosis: Diagnosis) -> Finding:
    free_mb = diagnosis.profile_free_mb
    page = diagnosis.page
    used = f", the page uses {page.storage_used_mb:.0f} MB" if page and page.storage_used_mb else ""
    if free_mb is None:
        return Finding("disk", Verdict.CHECK, "not known", "check the folder WA_DATA_DIR")
    verdict = Verdict.WRONG if free_mb < _MIN_FREE_MB else Verdict.CHECK
    if free_mb >= 2 * _MIN_FREE_MB:
        verdict = Verdict.OK
    advice = "free some space: on a full disk WhatsApp's page logs the account out"
    return Finding("disk", verdict, f"{free_mb / 1000:.1f} GB free{used}", advice)


def _judge_start(diagnosis: Diagnosis) -> Finding:
    times = ", ".join(f"{step} {time_s:.1f} s" for step, time_s in diagnosis.start_times_s.items())
    return Finding("start", Verdict.OK, times or "not measured")


def _until(time_s: float | None) -> str:
    return f" until {format_rfc3339(time_s)}" if time_s else ""
