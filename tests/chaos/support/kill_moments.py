"""A sender in this process with a real browser, which is SIGKILLed at a chosen step of a message.

The steps are those of streams/sender/pipeline.py: claim, submit, ack, outcome. The test's process is the
sender, so that a kill comes exactly between two of them; its Kafka is a table in memory. Judges nothing.
"""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from streams.domain.phone.events import Event, Outcome
from streams.domain.sending.claim import Claim
from streams.sender.attempts.submitter import Limits
from streams.whatsapp.driver import Submission, SubmitResult
from streams.whatsapp.web.recovery_policy import RecoverySettings
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.chaos.support.browser_sender import id_of, running
from tests.sender.fast import FastSender
from tests.support.browser import make_browser_config, read_pid
from tests.support.sandbox import Sandbox, SandboxControl

# The page starts again at once, however often it dies: the back-off has its own tests.
RECOVERY = RecoverySettings(max_failures=1_000_000, backoff_base_s=0.01, backoff_max_s=0.05)
LIMITS = Limits(ack_timeout_s=2.0, lease_s=30.0)
ACK_DELAY_MS = 80


class Moment(StrEnum):
    """When the browser is killed. Between submit and ack there are two: before and after the server has it."""

    CLAIM = "claim → submit"
    SUBMIT = "submit → server"
    SERVER = "server → ack"
    ACK = "ack → outcome"
    OUTCOME = "after the outcome"


@dataclass
class Killer:
    """Kills the browser of this profile once, when the message `target` comes to `moment`."""

    profile: Path
    dice: random.Random
    control: SandboxControl
    target: str = ""
    moment: Moment | None = None
    kills: list[Moment] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    def aim(self, whatsapp_id: str, moment: Moment) -> None:
        """The next kill."""
        self.target, self.moment = whatsapp_id, moment

    def reach(self, whatsapp_id: str, moment: Moment) -> None:
        """The message has come so far: kill, if this is the moment."""
        if whatsapp_id == self.target and moment is self.moment:
            self._kill()

    def begin_submit(self, whatsapp_id: str) -> None:
        """The submit begins: a kill before the ack has its time in it."""
        if whatsapp_id != self.target:
            return
        if self.moment is Moment.SUBMIT:
            self._task = asyncio.create_task(self._kill_soon())
        elif self.moment is Moment.SERVER:
            self._task = asyncio.create_task(self._kill_when_arrived(whatsapp_id))

    async def _kill_soon(self) -> None:
        await asyncio.sleep(self.dice.uniform(0.0, 0.03))
        self._kill()

    async def _kill_when_arrived(self, whatsapp_id: str) -> None:
        while whatsapp_id not in await self.control.fetch_new_ids():  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.005)
        await asyncio.sleep(self.dice.uniform(0.0, ACK_DELAY_MS / 2000))
        self._kill()

    def _kill(self) -> None:
        assert self.moment is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(read_pid(self.profile, "browser"), signal.SIGKILL)
        self.kills.append(self.moment)
        self.target, self.moment = "", None


class WatchedBrowser(WhatsAppWeb):
    """A driver that tells the killer of each submit."""

    killer: Killer

    async def submit(self, submission: Submission) -> SubmitResult:
        self.killer.begin_submit(submission.whatsapp_id)
        result = await super().submit(submission)
        self.killer.reach(submission.whatsapp_id, Moment.ACK)
        return result


class KilledSender(FastSender):
    """A sender that tells the killer of each claim and each outcome."""

    killer: Killer

    def watch_claims(self) -> None:
        """From now on."""
        store, put = self.claims, self.claims.put

        async def put_and_tell(whatsapp_id: str, claim: Claim | None) -> float | None:
            appended_at_s = await put(whatsapp_id, claim)
            self.killer.reach(whatsapp_id, Moment.CLAIM)
            return appended_at_s

        store.put = put_and_tell  # pyright: ignore[reportAttributeAccessIssue]

    async def _publish(self, events: Sequence[Event]) -> None:
        await super()._publish(events)
        for event in events:
            if isinstance(event, Outcome):
                self.killer.reach(id_of(event.phone, event.id), Moment.OUTCOME)


@contextlib.asynccontextmanager
async def linked_sender(
    sandbox: Sandbox, profile: Path, dice: random.Random
) -> AsyncIterator[KilledSender]:
    """A sender that is linked and ready."""
    control = SandboxControl(sandbox.control_url)
    driver = WatchedBrowser(make_browser_config(sandbox.browser_args, profile, recovery=RECOVERY))
    driver.killer = Killer(profile, dice, control)
    sender = KilledSender(driver=driver, limits=LIMITS)  # pyright: ignore[reportArgumentType]
    sender.killer = driver.killer
    sender.watch_claims()
    async with running(sender, control):
        yield sender
