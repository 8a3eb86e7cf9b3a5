"""A linked page without a browser, for every test of the sandbox that needs one."""

from collections.abc import AsyncIterator

import pytest

from tests.support.browser import SandboxControl
from tests.support.sandbox import Sandbox
from tests.support.wire import WirePage


@pytest.fixture
async def page(sandbox: Sandbox, control: SandboxControl) -> AsyncIterator[WirePage]:
    """A page that is linked."""
    async with WirePage(sandbox, "a") as page:
        await control.post("/scan", {"qr": await page.read_qr()})
        await page.receive("paired")
        yield page
