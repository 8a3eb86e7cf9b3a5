"""One symbol of each group is taken away from the page: the state says so, and no result is wrong.

`make symbols` does the same with every symbol (tests/chaos/test_every_symbol_is_removed.py).
"""

import pytest

from streams.whatsapp.driver import NotSubmitted, Phase
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.sandbox import Sandbox, SandboxControl
from tests.whatsapp.symbol_sweep import list_removable, sweep

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

ONE_OF_EACH_GROUP = {
    "sending/addAndSendMsgToChat": "WAWebSendMsgChatAction.addAndSendMsgToChat",
    "receipts/handleChatSimpleReceipt": "WAWebHandleDirectChatReceipt.handleChatSimpleReceipt",
    "linking/refreshQR": "WAWebLaunchSocketUtils.refreshQR",
    "restrictions/getCappingData": "WAWebIndividualNewChatMessageCappingLimitUtils.getCappingData",
    "look_ups/queryWidExists": "WAWebQueryExistsJob.queryWidExists",
    "incoming/getMessageTable": "WAWebSchemaMessage.getMessageTable",
    "incoming/addOrUpdateReactionsModelCollection": (
        "WAWebReactionsMsgAction.addOrUpdateReactionsModelCollection"
    ),
    "typing/markComposing": "WAWebPresenceChatAction.markComposing",
    "forgetting/sendDelete": "WAWebDeleteChatAction.sendDelete",
    "resend/resendMsg": "WAWebResendMsgAction.resendMsg",
}


async def test_a_page_without_a_symbol_says_so(
    shared_driver: WhatsAppWeb, module_sandbox: Sandbox
) -> None:
    """`degraded` names it, and what was not submitted does not arrive, also on a whole page later."""
    control = SandboxControl(module_sandbox.control_url)
    diagnosis = await shared_driver.diagnose()
    assert diagnosis.page is not None
    assert shared_driver.session.degraded == ()
    addresses = list(ONE_OF_EACH_GROUP.values())
    assert set(addresses) <= set(list_removable(diagnosis.page.symbols))
    outcomes = await sweep(shared_driver, control, addresses, timeout_s=20.0)
    for name, outcome in zip(ONE_OF_EACH_GROUP, outcomes, strict=True):
        assert outcome.session.phase is Phase.READY
        assert name in outcome.session.degraded
        assert outcome.is_true, outcome
    assert isinstance(outcomes[0].result, NotSubmitted)
