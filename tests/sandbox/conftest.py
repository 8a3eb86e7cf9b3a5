"""A linked page without a browser, for the tests of the sandbox that need one."""

from collections.abc import AsyncIterator

import pytest

from tests.support.sandbox import Sandbox, SandboxControl
from tests.support.wire import WirePage


@pytest.fixture
async def page(sandbox: Sandbox, control: SandboxControl) -> AsyncIterator[WirePage]:
    """A linked page."""
    async with WirePage(sandbox, "a") as page:
        await control.scan(await page.read_qr())
        await page.receive("paired")
        yield page
