"""An attempt while it runs: its state machine, and what this process holds for it. Executes nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field

from streams.domain.sending import actions
from streams.domain.sending.attempt import Attempt
from streams.domain.sending.command import SendCommand
from streams.media.source import FetchedFile
from streams.sender.attempts.turn_line import Turn
from streams.whatsapp.driver import Driver


@dataclass(slots=True, eq=False)
class RunningAttempt:
    """An attempt, the id of its message, and the page that it may use.

    `deadline_mono_s`: at first an estimate, then bounded by the append time of the claim. `on_turn_end` is called
    once, as soon as other attempts go on without it.
    """

    attempt: Attempt
    whatsapp_id: str
    deadline_mono_s: float
    driver: Driver | None = None  # since `Allowed`
    has_had_prelude: bool = False  # also if its turn comes once more
    is_stranger: bool = False  # as far as the prelude asked
    typing_driver: Driver | None = None  # whose page shows that the account is typing
    media: FetchedFile | None = None  # until `release`
    turn: Turn = field(default_factory=Turn)
    on_turn_end: Callable[[], object] | None = None

    @property
    def command(self) -> SendCommand:
        """The dispatch."""
        return self.attempt.command

    @property
    def is_fetching(self) -> bool:
        """Whether its file comes first."""
        return isinstance(self.attempt.action, actions.FetchMedia)

    def end_turn(self) -> None:
        """Other attempts may go on. It is safe to call this twice."""
        callback, self.on_turn_end = self.on_turn_end, None
        self.turn.next_may_join.set()
        if callback is not None:
            callback()

    def release(self) -> None:
        """Its file is not needed any more. It is safe to call this twice."""
        media, self.media = self.media, None
        if media is not None:
            media.release()
