"""How the page tells of a ban, of 503, of the time lock and of the cap. One browser for all."""

import time
from typing import Any

import pytest

from tests.sandbox.page.raw_page import RawPage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

_BAN_EVENT = "account_temporarily_banned_from_bridge"
_STRANGER = "905551112233"
_CAN_SEND = """([module, check, user, token]) => {
    const { createWid } = require("WAWebWidFactory");
    const contact = { id: createWid(`${user}@c.us`) };
    return require(module)[check]({ contact, chat: { getTcToken: () => token } });
}"""


async def read_preference(page: RawPage, key: str) -> Any:
    """A preference as the page keeps it."""
    script = "(key) => require('WAWebUserPrefsIndexedDBStorage').userPrefsIdb.get(key)"
    return await page.run(script, key)


async def test_a_ban(linked_page: RawPage) -> None:
    """Its event has the seconds that remain; a login that succeeds ends it (WAWebHandleFailure)."""
    await linked_page.record_events(_BAN_EVENT)
    await linked_page.control.add_faults({"ban": 60})
    ban = await linked_page.wait_for_event(_BAN_EVENT)
    assert (ban["banned"], ban["code"], ban["message"]) == (True, 101, None)
    assert 55 <= ban["expire"] <= 60
    assert (await linked_page.read_state())["mode"] == "MAIN"
    await linked_page.record_events(_BAN_EVENT)
    await linked_page.control.clear_faults()
    await linked_page.wait_for_connection()
    assert await linked_page.wait_for_event(_BAN_EVENT) == {"banned": False}


async def test_service_unavailable(linked_page: RawPage) -> None:
    """Its event has no value, and the page connects again by itself (WAWebHandleFailure)."""
    await linked_page.record_events("service_unavailable_503_from_bridge")
    await linked_page.control.add_faults({"service_unavailable": True})
    assert await linked_page.wait_for_event("service_unavailable_503_from_bridge") is None
    await linked_page.wait_for_connection()


async def test_a_time_lock(linked_page: RawPage) -> None:
    """It is stored with its end in milliseconds, and is lifted (WAWebMexReachoutTimelockNotificationHandler)."""
    await linked_page.record_events("reachout_timelock_state_change")
    await linked_page.control.add_faults({"time_lock": 3600})
    await linked_page.wait_for_event("reachout_timelock_state_change")
    lock = await read_preference(linked_page, "WAReachoutTimelockState")
    assert (lock["state"], lock["enforcement_type"]) == ("HIDDEN", "DEFAULT")
    assert 3590_000 < lock["time_enforcement_ends"] - time.time() * 1000 <= 3601_000
    check = ["WAWebReachoutTimelockUtils", "canSendMsgWhileTimelocked", _STRANGER]
    assert await linked_page.run(_CAN_SEND, [*check, None]) is False
    assert await linked_page.run(_CAN_SEND, [*check, "token"]) is True
    await linked_page.load()
    await linked_page.wait_for_connection()
    is_locked = "() => require('WAWebReachoutTimelockUtils').isUserReachoutTimelocked()"
    assert await linked_page.run(is_locked) is True
    await linked_page.control.add_faults({"time_lock": 0})
    await linked_page.wait(is_locked.replace("=> ", "=> !"))
    assert await read_preference(linked_page, "WAReachoutTimelockState") is None


async def test_who_has_written_may_be_written_to(linked_page: RawPage) -> None:
    """A chat has a token once the other side has written, also after a reload (WAWebReachoutTimelockUtils)."""
    phone = (await linked_page.control.fetch_overview()).accounts[0].phone
    await linked_page.control.add_faults({"time_lock": 3600})
    await linked_page.control.write_to_account(f"+{_STRANGER}", phone, "hello")
    can_send = """() => {
        const { ChatCollection } = require("WAWebChatCollection");
        const { canSendMsgWhileTimelocked } = require("WAWebReachoutTimelockUtils");
        return ChatCollection.length === 1 && ChatCollection.getModelsArray().every(
            (chat) => canSendMsgWhileTimelocked({ chat, contact: { id: chat.id } }));
    }"""
    await linked_page.wait(can_send)
    await linked_page.load()
    await linked_page.wait_for_connection()
    await linked_page.wait(can_send)


async def test_a_cap(linked_page: RawPage) -> None:
    """The page has the quota and its end in seconds (WAWebNewChatMessageCappingNotificationHandler)."""
    await linked_page.record_events("new_chat_message_capping_state_change")
    await linked_page.control.add_faults({"new_chat_cap": 2})
    await linked_page.wait_for_event("new_chat_message_capping_state_change")
    cap = await read_preference(linked_page, "WANewChatMessageCappingData")
    assert (cap["total_quota"], cap["used_quota"], cap["capping_status"]) == (2, 0, "NONE")
    assert cap["cycle_end_timestamp"] > time.time() + 20 * 24 * 3600
    await linked_page.control.add_faults({"new_chat_cap": 0})
    await linked_page.wait(
        "() => require('WAWebIndividualNewChatMessageCappingLimitUtils').isUserCapped()"
    )
    check = ["WAWebIndividualNewChatMessageCappingLimitUtils", "canSendMsgWhileCapped", _STRANGER]
    assert await linked_page.run(_CAN_SEND, [*check, None]) is False
    assert await linked_page.run(_CAN_SEND, [*check, "token"]) is True
