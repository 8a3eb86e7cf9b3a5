"""Edits and revokes through the real wa-js: one stanza for each, found by its id, and refused as WhatsApp refuses.

All tests of this file share one linked driver; each has its own ids.
"""

import pytest

from streams.whatsapp.driver import (
    InDoubt,
    MessageFound,
    NotSubmitted,
    Phase,
    ServerAccepted,
    Submission,
)
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import (
    PEER_CHAT,
    expect_reconnecting,
    make_message,
    make_text,
    wait_for_phase,
)
from tests.support.sandbox import SandboxControl

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


def edit(
    whatsapp_id: str,
    target: str,
    body: str,
    *,
    chat_id: str = PEER_CHAT,
    ack_timeout_s: float = 5.0,
) -> Submission:
    """An edit of the message `target`."""
    content: dict[str, object] = {"type": "edit", "body": body}
    return make_message(
        whatsapp_id, content, chat_id=chat_id, reply_to=target, ack_timeout_s=ack_timeout_s
    )


def revoke(whatsapp_id: str, target: str, *, chat_id: str = PEER_CHAT) -> Submission:
    """A revoke of the message `target`."""
    return make_message(whatsapp_id, {"type": "revoke"}, chat_id=chat_id, reply_to=target)


async def fetch_changes(control: SandboxControl) -> list[tuple[str, str, str]]:
    """The edits and revokes that arrived: their type, their target and their text."""
    rows = await control.fetch_new_messages()
    return [
        (row["type"], row["details"]["target"], row["body"])
        for row in rows
        if row["type"] in ("edit", "revoke")
    ]


@pytest.mark.parametrize("is_group", [False, True])
async def test_an_edit_and_a_revoke(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, is_group: bool
) -> None:
    """Each goes out once under the id that was chosen, also if it is submitted twice."""
    chat_id, tag = PEER_CHAT, "A"
    if is_group:
        (account,) = (await shared_control.fetch_overview()).accounts
        chat_id, tag = await shared_control.change_group([account.phone, "+905551112233"]), "B"
    target = f"3EB07000{tag}1"
    await shared_driver.submit(make_text(target, "frist", chat_id=chat_id))
    for change in (
        edit(f"3EB07000{tag}2", target, "first", chat_id=chat_id),
        revoke(f"3EB07000{tag}3", target, chat_id=chat_id),
    ):
        assert isinstance(await shared_driver.submit(change), ServerAccepted)
        assert isinstance(await shared_driver.submit(change), ServerAccepted)
        found = await shared_driver.find_message(change.whatsapp_id, chat_id)
        assert isinstance(found, MessageFound)
        assert found.ack >= 1
    assert await fetch_changes(shared_control) == [
        ("edit", target, "first"),
        ("revoke", target, ""),
    ]
    ids = await shared_control.fetch_new_ids()
    assert ids == [target, f"3EB07000{tag}2", f"3EB07000{tag}3"]


async def test_what_cannot_be_changed(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """A message that is not there, one that has no text, and one that was deleted: nothing leaves the page."""
    content: dict[str, object] = {"type": "poll", "question": "When?", "options": ["now", "never"]}
    await shared_driver.submit(make_message("3EB0700011", content))
    await shared_driver.submit(make_text("3EB0700012"))
    await shared_driver.submit(revoke("3EB0700013", "3EB0700012"))
    for change in (
        edit("3EB0700014", "3EB0700099", "x"),
        edit("3EB0700015", "3EB0700011", "x"),
        revoke("3EB0700016", "3EB0700012"),
    ):
        result = await shared_driver.submit(change)
        assert isinstance(result, NotSubmitted)
        assert result.code == "content_refused"
    assert await fetch_changes(shared_control) == [("revoke", "3EB0700012", "")]


async def test_an_edit_whose_deadline_has_passed_is_not_sent(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The gate stands before an edit as before a message."""
    await shared_driver.submit(make_text("3EB0700021"))
    content: dict[str, object] = {"type": "edit", "body": "late"}
    late = make_message("3EB0700022", content, reply_to="3EB0700021", deadline_in_s=-1.0)
    result = await shared_driver.submit(late)
    assert isinstance(result, NotSubmitted)
    assert result.code == "timeout_before_submit"
    assert await fetch_changes(shared_control) == []


async def test_an_edit_in_doubt_is_made_again(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """After a reload its row has no ack and its content is lost: the same text goes out once more, and is acked."""
    await shared_driver.submit(make_text("3EB0700031", "frist"))
    await shared_control.add_faults({"ack_lost": True}, count=1)
    change = edit("3EB0700032", "3EB0700031", "first", ack_timeout_s=0.3)
    assert isinstance(await shared_driver.submit(change), InDoubt)
    async with expect_reconnecting(shared_driver):
        await shared_control.add_faults({"page_crash": True})
    await wait_for_phase(shared_driver, Phase.READY)
    repeated = edit("3EB0700032", "3EB0700031", "first")
    assert isinstance(await shared_driver.submit(repeated), ServerAccepted)
    changes = await fetch_changes(shared_control)
    assert set(changes) == {("edit", "3EB0700031", "first")}
