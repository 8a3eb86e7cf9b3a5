"""Replays dead letters in the background, one selection at a time. What is replayed is decided by `operations`.

A replay is only begun after its plan was shown, with what is refused. It goes on while no page is open, and ends with
the process: what it has not published by then stays a dead letter.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from streams.console.web.problems import EXPECTED_ERRORS, describe
from streams.contract.dead_letter import DeadLetter
from streams.operations import dead_letters as operations
from streams.operations.errors import CommandFailed
from streams.operations.selection import DeadLetterFilter
from streams.settings import Settings
from streams.system.tasks import cancel_tasks

log = logging.getLogger(__name__)

RATE_PER_S: Final = 10.0
MAX_SELECTED: Final = 10_000


@dataclass(slots=True)
class ReplayProgress:
    """How far a replay is."""

    total: int
    done: int = 0
    refused: list[str] = field(default_factory=list[str])  # ids of dead letters, with the reason
    error: str | None = None
    is_over: bool = False


class ReplayRunner:
    """The one replay of this console. `on_change` is called when it has progressed."""

    def __init__(self, settings: Settings, on_change: Callable[[], None]) -> None:
        self._settings = settings
        self._on_change = on_change
        self._task: asyncio.Task[None] | None = None
        self.progress: ReplayProgress | None = None

    async def plan(
        self, letter_filter: DeadLetterFilter, *, allow_unknown: bool
    ) -> operations.ReplayPlan:
        """What would be replayed, and what refused.

        Raises:
            CommandFailed: it is more than one replay takes.
        """
        plan = await operations.plan_replay(
            self._settings, letter_filter, allow_unknown=allow_unknown
        )
        if len(plan.accepted) > MAX_SELECTED:
            raise CommandFailed(
                f"{len(plan.accepted)} dead letters are more than {MAX_SELECTED}; select fewer"
            )
        return plan

    def start(self, letters: Sequence[DeadLetter], *, is_forced: bool) -> None:
        """Begin to replay these.

        Raises:
            CommandFailed: another replay goes on.
        """
        if self._task is not None and not self._task.done():
            raise CommandFailed("another replay goes on; wait until it has ended, or stop it")
        self.progress = ReplayProgress(len(letters))
        self._task = asyncio.create_task(self._run(letters, self.progress, is_forced))

    async def stop(self) -> None:
        """End the replay. What it has published is published."""
        if self._task is not None:
            await cancel_tasks(self._task)
        if self.progress is not None and not self.progress.is_over:
            self.progress.is_over = True
            self.progress.error = "it was stopped"

    async def _run(
        self, letters: Sequence[DeadLetter], progress: ReplayProgress, is_forced: bool
    ) -> None:
        def show(done: int) -> None:
            progress.done = done
            self._on_change()

        try:
            replays = await operations.replay(
                self._settings, letters, RATE_PER_S, is_forced=is_forced, on_progress=show
            )
        except EXPECTED_ERRORS as error:
            progress.error = describe(error)
            log.warning("a replay of %d dead letters ended after %d", progress.total, progress.done)
        else:
            progress.refused = [
                f"{item.letter.info.id}: {item.error}" for item in replays if item.error
            ]
        progress.is_over = True
        self._on_change()
