"""The switches for the page before August 2026: phone-number chats, keys with `_serialized`. One browser."""

from collections.abc import Iterator

import pytest

from tests.support.pages.message_page import MessagePage
from tests.support.sandbox import Sandbox, SandboxControl, run_sandbox

PEER = "905551112233"

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def module_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The module's sandbox, with both switches."""
    options = ("--set=lid_chats=false", "--set=serialized_keys=true")
    with run_sandbox(tmp_path_factory.mktemp("sandbox"), *options) as (sandbox, _):
        yield sandbox


async def test_phone_number_chats_and_serialized_keys(
    message_page: MessagePage, message_control: SandboxControl
) -> None:
    """A chat has the phone number, and its keys have `_serialized`. Source: whatsapp-web.js 1.34.7."""
    key, serialized, ack = await message_page.run(
        f"""
        const [added, sent] = send(await openChat("{PEER}"), "3EB0FF01");
        await sent;
        const model = await added;
        await until(() => model.ack === 2);
        return [String(model.id), model.id._serialized, model.ack];
        """
    )
    assert key == serialized == f"true_{PEER}@c.us_3EB0FF01"
    assert ack == 2
    assert [row["to"] for row in await message_control.fetch_new_messages()] == [f"+{PEER}"]
