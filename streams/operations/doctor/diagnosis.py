"""The diagnosis of an account: from its running sender, or from its browser, opened for this purpose.

Links no account and sends nothing. Two browsers on one profile lose its login, so a browser is opened
only under the profile's lock, which a running sender holds.
"""

import asyncio
from typing import Final

import aiohttp
import msgspec

from streams.observability.run_file import RunFile, read_run_file
from streams.operations.errors import CommandFailed
from streams.settings import Settings
from streams.whatsapp.diagnosis import Diagnosis
from streams.whatsapp.driver import Driver, Phase
from streams.whatsapp.web.browser.launch import make_browser_config
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb

_ANSWER_TIMEOUT: Final = aiohttp.ClientTimeout(total=30.0)
# In these phases a page stays as it is until somebody acts.
_LASTING_PHASES: Final = frozenset(
    {Phase.READY, Phase.LINKING, Phase.RESTRICTED, Phase.LOGGED_OUT, Phase.STOPPED}
)


def find_sender(settings: Settings, account: str) -> RunFile | None:
    """The sender of this account that runs on this data folder."""
    return read_run_file(settings.data_dir, f"sender-{account}")


async def fetch_diagnosis(settings: Settings, sender: RunFile) -> Diagnosis:
    """Ask a running sender.

    Raises:
        CommandFailed: it does not answer, or another process sends for the account.
    """
    headers = {"Authorization": f"Bearer {settings.web_token}"} if settings.web_token else {}
    url = f"{sender.web}/api/diagnosis"
    try:
        async with (
            aiohttp.ClientSession(timeout=_ANSWER_TIMEOUT) as http,
            http.get(url, headers=headers) as response,
        ):
            body = await response.read()
            if response.status != 200:
                raise CommandFailed(f"{sender.name} answers {response.status}: {body.decode()}")
            return msgspec.json.decode(body, type=Diagnosis)
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
        raise CommandFailed(
            f"{sender.name} does not answer: {error or type(error).__name__}"
        ) from None


async def open_and_diagnose(settings: Settings, account: str, timeout_s: float) -> Diagnosis:
    """Open the account's browser until its page stays as it is, at most `timeout_s`, and close it again.

    Raises:
        BrowserMissing, BundleMissing: the text says what to install.
        ProfileInUse: another process uses the account's profile.
    """
    driver = WhatsAppWeb(make_browser_config(settings, account))
    try:
        await driver.start()
        await _wait_for_lasting_phase(driver, timeout_s)
        return await driver.diagnose()
    finally:
        await driver.stop()


async def _wait_for_lasting_phase(driver: Driver, timeout_s: float) -> None:
    """An account that is not ready in time is diagnosed as it is."""
    try:
        async with asyncio.timeout(timeout_s):
            async for session in driver.watch_session():
                if session.phase in _LASTING_PHASES:
                    return
    except TimeoutError:
        return
