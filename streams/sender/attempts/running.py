"""An attempt while it runs: its state machine, and what this process holds for it. Executes nothing."""

import asyncio
from dataclasses import dataclass, field

from streams.domain.sending import actions
from streams.domain.sending.attempt import Attempt
from streams.domain.sending.command import SendCommand
from streams.media.source import FetchedFile
from streams.whatsapp.driver import Driver


@dataclass(slots=True, eq=False)
class RunningAttempt:
    """An attempt, the id of its message, and the page that it may use.

    `deadline_mono_s`: at first an estimate, then bounded by the append time of the claim. `turn_ended` is set as
    soon as other attempts may go on.
    """

    attempt: Attempt
    whatsapp_id: str
    deadline_mono_s: float
    driver: Driver | None = None  # since `Allowed`
    is_stranger: bool = False  # as far as the prelude asked
    typing_driver: Driver | None = None  # whose page shows that the account is typing
    media: FetchedFile | None = None  # until `release`
    turn_ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def command(self) -> SendCommand:
        """The dispatch."""
        return self.attempt.command

    @property
    def is_fetching(self) -> bool:
        """Whether its file comes first."""
        return isinstance(self.attempt.action, actions.FetchMedia)

    def release(self) -> None:
        """Its file is not needed any more. It is safe to call this twice."""
        media, self.media = self.media, None
        if media is not None:
            media.release()
