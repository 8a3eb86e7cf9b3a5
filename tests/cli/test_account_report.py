"""`doctor --account`: the report on one account, from its sender or from a browser that is opened for it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from streams.cli.diagnosis_report import WIDTH, format_report
from streams.observability.probes import serve_probes
from streams.operations.doctor.verdict import Verdict, is_wrong, judge
from streams.settings import Settings, load
from streams.whatsapp.diagnosis import Diagnosis, Document, PageDiagnosis, PageSession, Symbol
from tests.cli.conftest import Command
from tests.support.sandbox import Sandbox

DOCUMENT = Document(
    url="https://web.whatsapp.com/",
    title="WhatsApp",
    is_unsupported_browser=False,
    module_count=20692,
    user_agent="Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0 Safari/537.36",
    brands=("Chromium 156",),
    whatsapp_version="2.3000.1044822804",
    wa_js_version="4.6.0",
    is_wa_js_ready=True,
)
SESSION = PageSession(
    is_linked=True,
    socket="CONNECTED",
    stream="CONNECTED",
    mode="MAIN",
    is_offline_delivery_over=True,
    pending_rows=0,
    failed_rows=0,
    clock_difference_s=1,
)
SYMBOLS = (
    Symbol("sending", "addAndSendMsgToChat", "WAWebSendMsgChatAction.addAndSendMsgToChat", True),
    Symbol("resend", "resendMsg", "WAWebResendMsgAction.resendMsg", True),
)
PAGE = PageDiagnosis(DOCUMENT, SESSION, {"h264": True, "opus": True}, SYMBOLS, 12.0, 10_000.0)
HEALTHY = Diagnosis(
    taken_at_s=1000.0,
    phase="ready",
    phase_since_s=900.0,
    chromium_version="156.0.8078.108",
    profile_free_mb=70_000,
    start_times_s={"browser": 0.4, "ready": 3.1},
    page=PAGE,
)


def with_session(**changes: object) -> Diagnosis:
    return with_page(session=msgspec.structs.replace(SESSION, **changes))


def with_document(**changes: object) -> Diagnosis:
    return with_page(document=msgspec.structs.replace(DOCUMENT, **changes))


def with_page(**changes: object) -> Diagnosis:
    return msgspec.structs.replace(HEALTHY, page=msgspec.structs.replace(PAGE, **changes))


def with_more(**changes: object) -> Diagnosis:
    return msgspec.structs.replace(HEALTHY, **changes)


def test_a_healthy_account_has_nothing_to_check() -> None:
    """Every finding is ok, and there is one for each group of symbols."""
    findings = judge(HEALTHY)
    assert {finding.verdict for finding in findings} == {Verdict.OK}
    assert {"sending", "resend", "connection", "limits"} <= {f.name for f in findings}


@pytest.mark.parametrize(
    ("diagnosis", "name", "verdict", "words"),
    [
        (with_more(page=None, page_error="there is no page"), "page", "wrong", "no page"),
        (with_document(is_unsupported_browser=True), "page", "wrong", "unsupported"),
        (with_document(module_count=0), "page", "wrong", "none of WhatsApp's modules"),
        (with_document(is_wa_js_ready=False), "page", "wrong", "wa-js is not ready"),
        (with_session(is_update_needed=True), "page", "check", "update"),
        (with_document(user_agent="HeadlessChrome/156"), "versions", "wrong", "HeadlessChrome"),
        (with_document(brands=("HeadlessChrome 156",)), "versions", "wrong", "HeadlessChrome"),
        (with_session(is_linked=False, mode="QR"), "connection", "check", "not linked"),
        (with_session(socket="OPENING"), "connection", "wrong", "mode MAIN"),
        (with_session(stream="DISCONNECTED", retry_at_s=0.0), "connection", "wrong", "stream DIS"),
        (with_session(socket="OPENING", retry_at_s=60.0), "connection", "wrong", "00:01:00"),
        (
            with_session(is_offline_delivery_over=False, offline_delivery_percent=40.0),
            "connection",
            "check",
            "40 %",
        ),
        (with_session(pending_rows=3), "messages", "check", "3 without an ack"),
        (
            with_session(is_time_locked=True, time_lock_until_s=60.0, time_lock_kind="DEFAULT"),
            "limits",
            "check",
            "until 1970-01-01T00:01:00",
        ),
        (
            with_session(new_chat_quota=30, new_chats_used=30, new_chat_cap_status="CAPPED"),
            "limits",
            "check",
            "30 of 30",
        ),
        (with_session(logout_reason_code="2"), "limits", "ok", "code 2"),
        (with_session(clock_difference_s=-3600), "clock", "check", "-3600 s"),
        (with_session(clock_difference_s=None), "clock", "ok", "not measured"),
        (
            with_page(symbols=(msgspec.structs.replace(SYMBOLS[1], is_present=False),)),
            "resend",
            "wrong",
            "WAWebResendMsgAction.resendMsg",
        ),
        (with_page(codecs={"h264": False, "opus": True}), "codecs", "check", "missing: h264"),
        (with_more(profile_free_mb=200), "disk", "wrong", "0.2 GB"),
        (with_more(phase="restricted", reason="replaced"), "state", "wrong", "replaced"),
        (with_more(phase="syncing"), "state", "check", "syncing"),
    ],
)
def test_a_problem_is_named(diagnosis: Diagnosis, name: str, verdict: str, words: str) -> None:
    """Its line says what was read and what to do; only `wrong` changes the exit code."""
    findings = {finding.name: finding for finding in judge(diagnosis)}
    finding = findings[name]
    assert (finding.verdict, words in finding.detail) == (verdict, True), finding
    assert finding.advice or finding.verdict is Verdict.OK
    assert is_wrong(list(findings.values())) is (verdict == "wrong")


@pytest.mark.parametrize(
    "diagnosis", [HEALTHY, with_session(socket="OPENING"), with_more(page=None)]
)
def test_the_report_is_one_page_of_80_columns(diagnosis: Diagnosis) -> None:
    """It fits a terminal and an issue, and ends with a summary."""
    lines = format_report("main", "by its sender", judge(diagnosis)).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) <= 40
    assert lines[0] == "main (by its sender)"
    assert lines[-1].startswith(("everything", "wrong: "))


# ---- the command


@contextmanager
def run_sender(settings: Settings, diagnosis: Diagnosis | None) -> Iterator[None]:
    """Probes like those of a sender, in a thread of their own: a command has its own event loop."""
    loop, is_up = asyncio.new_event_loop(), threading.Event()
    done = asyncio.Event()

    async def give() -> bytes | None:
        return None if diagnosis is None else msgspec.json.encode(diagnosis)

    async def serve() -> None:
        async with serve_probes(
            settings,
            "sender-main",
            0,
            readiness=lambda: (True, ""),
            health=dict,
            registry=CollectorRegistry(),
            diagnosis=give,
        ):
            is_up.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert is_up.wait(20)
        yield
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(20)
        loop.close()


def test_a_running_sender_is_asked(command: Command, tmp_path: Path) -> None:
    """Its report is printed, and the exit code says whether something is wrong."""
    settings = load({"WA_CONFIG": ""}, data_dir=tmp_path / "data", web_token="secret")
    with run_sender(settings, HEALTHY):
        ran = command("doctor", "--account", "main", settings=settings)
    assert (ran.code, ran.out.splitlines()[0]) == (0, "main (by its sender)")
    with run_sender(settings, with_session(socket="OPENING")):
        ran = command("doctor", "--account", "main", "--json", settings=settings)
    (report,) = ran.objects
    assert (ran.code, report["account"]) == (1, "main")
    assert msgspec.convert(report["diagnosis"], Diagnosis).page is not None
    assert "main" in ran.error_line


def test_a_sender_that_stands_by_says_so(command: Command, tmp_path: Path) -> None:
    """Only the process that owns the send topic has a browser."""
    settings = load({"WA_CONFIG": ""}, data_dir=tmp_path / "data")
    with run_sender(settings, None):
        ran = command("doctor", "--account", "main", settings=settings)
    assert (ran.code, "stands by" in ran.error_line) == (1, True)


def test_no_browser_is_opened_without_a_word(command: Command) -> None:
    """Without a sender, the command says how to open the account's browser."""
    ran = command("doctor", "--account", "main")
    assert (ran.code, "--live" in ran.error_line) == (1, True)
    assert command("doctor", "--account", "nobody").code == 2


@pytest.mark.browser
def test_a_browser_is_opened_for_the_diagnosis(
    command: Command, tmp_path: Path, sandbox: Sandbox
) -> None:
    """With --live it opens the account's profile, links nothing, and leaves no browser behind."""
    settings = load(
        {"WA_CONFIG": ""},
        data_dir=tmp_path / "data",
        whatsapp_browser_args=sandbox.browser_args,
    )
    ran = command("doctor", "--account", "main", "--live", "--json", settings=settings)
    (report,) = ran.objects
    diagnosis = msgspec.convert(report["diagnosis"], Diagnosis)
    assert diagnosis.phase == "linking"
    assert diagnosis.page is not None
    assert diagnosis.page.document.is_wa_js_ready is True
    assert not (settings.data_dir / "profiles" / "main" / ".wa-streams" / "browser.pid").exists()


def test_a_profile_has_one_browser(command: Command, tmp_path: Path) -> None:
    """While another process owns the profile, --live opens nothing: two browsers lose the login."""
    settings = load({"WA_CONFIG": ""}, data_dir=tmp_path / "data")
    profiles = settings.data_dir / "profiles"
    profiles.mkdir(parents=True)
    with filelock.FileLock(profiles / "main.lock"):
        ran = command("doctor", "--account", "main", "--live", settings=settings)
    assert ran.code == 2
    assert "another process uses the profile" in ran.err
