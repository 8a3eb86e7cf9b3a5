"""The sandbox that runs on this data folder: where it is, and the settings of a browser that uses it."""

from collections.abc import Iterable
from dataclasses import replace

from streams.observability.run_file import read_run_file
from streams.operations.errors import UsageError
from streams.sandbox.client import SandboxClient
from streams.settings import Settings
from streams.system import network


def find_sandbox_url(settings: Settings) -> str:
    """The control of the sandbox that runs on this data folder, else the one at WA_SANDBOX_PORT.

    Raises:
        UsageError: none runs here, and WA_SANDBOX_PORT is 0.
    """
    run_file = read_run_file(settings.data_dir, "sandbox")
    if run_file is not None:
        return run_file.web
    if settings.sandbox_port:
        return f"http://{network.HOST}:{settings.sandbox_port}"
    raise UsageError(f"no sandbox runs on {settings.data_dir}: start `wa-streams sandbox`")


def use_sandbox(settings: Settings) -> Settings:
    """The settings with which a browser opens the sandbox instead of WhatsApp.

    Raises:
        UsageError: no sandbox runs here.
        SandboxUnreachable: it does not answer.
    """
    client = SandboxClient(find_sandbox_url(settings))
    return add_browser_args(settings, client.fetch_browser_args())


def add_browser_args(settings: Settings, browser_args: Iterable[str]) -> Settings:
    """The settings with further arguments for the browser."""
    return replace(settings, whatsapp_browser_args=(*settings.whatsapp_browser_args, *browser_args))
