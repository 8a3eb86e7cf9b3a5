"""The demo on a stack of its own (streams/local/run_once.py). Prints nothing; what it shows goes to a screen."""

import shutil
import tempfile
from contextlib import AbstractContextManager
from typing import Final

from streams.demo.acts import LOOKUP_CACHE_S, DemoRun
from streams.demo.judge import Finding
from streams.demo.screen import DemoScreen
from streams.demo.script import RATE_LIMIT_PER_MINUTE
from streams.local import run_once
from streams.local.stack import LocalStack
from streams.settings import Settings

ACCOUNTS: Final = ("north", "south")


def temporary_settings() -> AbstractContextManager[Settings]:
    """Settings with a new data folder, and limits that show their effect within a minute."""
    return run_once.temporary_settings(
        "demo",
        partitions=4,
        accounts=ACCOUNTS,
        rate_limit_per_minute=RATE_LIMIT_PER_MINUTE,
        account_rate_per_minute=0,
        lookup_cache_s=LOOKUP_CACHE_S,
    )


def play(settings: Settings, screen: DemoScreen) -> list[Finding]:
    """Run the whole demo; returns the verdict. Afterwards no process of it is left.

    Raises:
        CommandInterrupted: a person interrupted it.
        CommandFailed: the stack does not start.
    """

    async def play_acts(stack: LocalStack) -> list[Finding]:
        return await DemoRun(stack, screen).run()

    screen.show_step("starting Kafka, the simulated WhatsApp, a dispatcher and two senders")
    return run_once.run_once(settings, screen, "demo", play_acts)


def keep_logs(settings: Settings) -> str:
    """Copy the logs to a folder that stays; returns it."""
    log_dir = tempfile.mkdtemp(prefix="wa-demo-logs-")
    shutil.copytree(settings.data_dir / "logs", log_dir, dirs_exist_ok=True)
    return log_dir
