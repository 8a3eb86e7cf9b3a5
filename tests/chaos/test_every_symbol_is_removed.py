"""Each symbol that the adapter needs is taken away from the page in turn. About ten minutes: `make symbols`."""

import pytest

from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.sandbox import Sandbox, SandboxControl
from tests.whatsapp.symbol_sweep import list_removable, sweep

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(1800),
]

# A page that cannot load says after 30 s which exports are missing, and after 120 s which modules.
_TIMEOUT_S = 170.0


async def test_every_symbol(shared_driver: WhatsAppWeb, module_sandbox: Sandbox) -> None:
    """The state always says that something is missing, and no result of a submit is ever wrong."""
    diagnosis = await shared_driver.diagnose()
    assert diagnosis.page is not None
    addresses = list_removable(diagnosis.page.symbols)
    assert len(addresses) > 40
    control = SandboxControl(module_sandbox.control_url)
    outcomes = await sweep(shared_driver, control, addresses, timeout_s=_TIMEOUT_S)
    for outcome in outcomes:
        session, result = outcome.session, outcome.result
        print(outcome.address, session.phase, session.reason, session.degraded, result, sep="  ")
    assert [outcome for outcome in outcomes if not outcome.is_clear] == []
    assert [outcome for outcome in outcomes if not outcome.is_true] == []
