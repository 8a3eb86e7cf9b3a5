"""A certain refusal is final at once: whatever the page refuses before WhatsApp has the message. In a real Chromium.

All tests of this file share one linked driver; each has its own ids.
"""

import asyncio
import base64
from typing import Any

import psutil
import pytest

from streams.domain.errors import ErrorClass
from streams.domain.phone.events import Failed
from streams.domain.sending import refusals, results
from streams.whatsapp.driver import (
    MessageNotFound,
    NotSubmitted,
    Phase,
    ServerAccepted,
    ServerRefused,
)
from streams.whatsapp.incoming import IncomingHint
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import (
    PEER,
    PEER_CHAT,
    make_message,
    make_text,
    read_pid,
    wait_for_phase,
)
from tests.support.sandbox import SandboxControl

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

FINAL = (ErrorClass.PERMANENT, ErrorClass.TRANSIENT)
PROMPT_S = 30.0  # a refusal takes milliseconds; a loaded machine more
NOBODY = "+905550009998"
FAILED_ID = "3EB0CE00"  # a message that the server has refused: it cannot be quoted
TEXT: dict[str, Any] = {"type": "text", "body": "hello"}
IMAGE: dict[str, Any] = {
    "type": "image",
    "data": base64.b64encode(b"\x89 any bytes").decode(),
    "mime": "image/png",
}
REACTION: dict[str, Any] = {"type": "reaction", "message_id": "3EB0NONE", "emoji": "👍"}
LOCATION: dict[str, Any] = {"type": "location", "latitude": 1.5, "longitude": 2.5}
UNKNOWN_REPLY: dict[str, Any] = {"reply_to": "3EB0NONE"}

# What is refused, and with which code.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "reaction to an unknown message": (REACTION, {}, "content_refused"),
    "text that quotes an unknown message": (TEXT, UNKNOWN_REPLY, "content_refused"),
    "image that quotes an unknown message": (IMAGE, UNKNOWN_REPLY, "content_refused"),
    "location that quotes an unknown message": (LOCATION, UNKNOWN_REPLY, "content_refused"),
    "text that quotes a failed message": (TEXT, {"reply_to": FAILED_ID}, "content_refused"),
    "image that quotes a failed message": (IMAGE, {"reply_to": FAILED_ID}, "content_refused"),
    "content of an unknown type": ({"type": "hologram"}, {}, "content_refused"),
    "poll without options": ({"type": "poll", "question": "?"}, {}, "page_crashed"),
    "contact without numbers": ({"type": "contact", "name": "A"}, {}, "page_crashed"),
    "image that is not base64": ({**IMAGE, "data": "&&&&"}, {}, "media_rejected"),
    "image without data": ({"type": "image"}, {}, "media_fetch_failed"),
    "chat of a number that is not on WhatsApp": (
        TEXT,
        {"chat_id": f"{NOBODY[1:]}@c.us"},
        "recipient_not_on_whatsapp",
    ),
    "chat id that is none": (TEXT, {"chat_id": "nonsense"}, "lookup_failed"),
}


async def submit(
    driver: WhatsAppWeb, whatsapp_id: str, content: dict[str, Any], **options: Any
) -> NotSubmitted:
    """Submit what must be refused, at once."""
    async with asyncio.timeout(PROMPT_S):
        result = await driver.submit(make_message(whatsapp_id, content, **options))
    assert isinstance(result, NotSubmitted), result
    return result


@pytest.mark.parametrize(
    ("number", "content", "options", "code"),
    [(number, *case) for number, case in enumerate(CASES.values())],
    ids=list(CASES),
)
async def test_a_refusal_before_the_submit(
    shared_driver: WhatsAppWeb,
    shared_control: SandboxControl,
    number: int,
    content: dict[str, Any],
    options: dict[str, Any],
    code: str,
) -> None:
    """It is certain, prompt, fails the attempt, leaves nothing in the store, and the next message goes."""
    await shared_control.set_numbers({NOBODY: {"on_whatsapp": False}})
    if options.get("reply_to") == FAILED_ID:
        await make_failed_message(shared_driver, shared_control)
    whatsapp_id = f"3EB0CE1{number:02}"
    result = await submit(shared_driver, whatsapp_id, content, **options)
    assert result.code == code
    error = refusals.error_before_submit(result.code, result.detail, is_too_late=False)
    assert isinstance(results.not_sent_result(error), Failed)
    assert error.error_class in FINAL
    assert await shared_driver.find_message(whatsapp_id, PEER_CHAT) == MessageNotFound()
    await shared_control.set_mark()
    again = await submit(shared_driver, whatsapp_id, content, **options)
    assert again.code == code, "a refused message can be submitted again, and is refused again"
    next_id = f"3EB0CE2{number:02}"
    assert isinstance(await shared_driver.submit(make_text(next_id)), ServerAccepted)
    assert await shared_control.fetch_new_ids() == [next_id]


@pytest.mark.parametrize("step_ms", [-600_000, 600_000])
async def test_a_step_of_the_pages_wall_clock(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, step_ms: int
) -> None:
    """A deadline that has passed stays passed, and one that has not stays ahead."""
    tab = shared_driver._require_page()._tab
    await shared_control.set_mark()
    await tab.evaluate(
        "(step) => { window.realNow = Date.now; Date.now = () => window.realNow() + step; }",
        step_ms,
    )
    try:
        late = await submit(shared_driver, f"3EB0CE31{step_ms}", TEXT, deadline_in_s=-0.1)
        assert late.code == "timeout_before_submit"
        in_time = make_text(f"3EB0CE32{step_ms}")
        assert isinstance(await shared_driver.submit(in_time), ServerAccepted)
    finally:
        await tab.evaluate("() => { Date.now = window.realNow; }")
    assert await shared_control.fetch_new_ids() == [in_time.whatsapp_id]


async def test_a_browser_that_is_frozen_until_after_the_deadline(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The call reaches the page late: its monotonic clock has gone on, and nothing is sent."""
    await shared_control.set_mark()
    browser = psutil.Process(read_pid(shared_driver._profile.folder, "browser"))
    processes = [browser, *browser.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        late = make_text("3EB0CE33", deadline_in_s=0.2)
        submitting = asyncio.create_task(shared_driver.submit(late))
        await asyncio.sleep(0.5)
    finally:
        for process in processes:
            process.resume()
    result = await submitting
    assert isinstance(result, NotSubmitted)
    assert result.code == "timeout_before_submit"
    assert isinstance(await shared_driver.submit(make_text("3EB0CE34")), ServerAccepted)
    assert await shared_control.fetch_new_ids() == ["3EB0CE34"]


async def make_failed_message(driver: WhatsAppWeb, control: SandboxControl) -> None:
    """The server refuses a message; the store has it as failed."""
    if await driver.find_message(FAILED_ID, PEER_CHAT) != MessageNotFound():
        return
    await control.add_faults({"send_error": 500}, count=1)
    assert isinstance(await driver.submit(make_text(FAILED_ID)), ServerRefused)


async def test_messages_on_disk_can_be_quoted(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """After a restart no message is in the page's memory: it is read from the database, whoever wrote it."""
    phone = shared_driver.session.phone
    assert phone is not None
    assert isinstance(await shared_driver.submit(make_text("3EB0CE90")), ServerAccepted)
    question_id = await shared_control.write_to_account(PEER, phone, "a question")
    async for incoming in shared_driver.watch_incoming():
        if isinstance(incoming, IncomingHint):
            break
    else:
        raise AssertionError("the message never came")
    await shared_driver.stop()
    await shared_driver.start()
    await wait_for_phase(shared_driver, Phase.READY)
    await shared_control.set_mark()
    answers = {"3EB0CE91": "3EB0CE90", "3EB0CE92": question_id}
    for whatsapp_id, quoted_id in answers.items():
        reply = make_text(whatsapp_id, reply_to=quoted_id)
        assert isinstance(await shared_driver.submit(reply), ServerAccepted)
    for whatsapp_id, target_id in {
        "3EB0CE93": "3EB0CE90",
        "3EB0CE94": question_id,
    }.items():
        content = {**REACTION, "message_id": target_id}
        assert isinstance(
            await shared_driver.submit(make_message(whatsapp_id, content)), ServerAccepted
        )
    rows = await shared_control.fetch_new_messages()
    assert [row["reply_to"] for row in rows] == [*answers.values(), *answers.values()]
    assert [row["whatsapp_id"] for row in rows[2:]] == ["3EB0CE93", "3EB0CE94"]
