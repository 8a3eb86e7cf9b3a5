"""A question to the brokers ends with the app; and it is repeated for as long as the app runs."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.exceptions import NotReady

from streams.kafka.connection import KafkaUnreachable
from streams.runtime.broker.broker_requests import repeat_until_answered
from streams.runtime.broker.publisher import AppStopped


@dataclass
class _App:
    """An app that stops before a question is asked for the time after `stops_after`."""

    stops_after: int = 1_000
    publisher: Any = None
    asked: list[BaseException | None] = field(default_factory=list)

    @property
    def should_stop(self) -> bool:
        return len(self.asked) >= self.stops_after

    async def ask(self, answers: list[BaseException | None]) -> None:
        async def request() -> None:
            answer = answers[min(len(self.asked), len(answers) - 1)]
            self.asked.append(answer)
            if answer is not None:
                raise answer

        await repeat_until_answered(self, request, "a question")


@pytest.mark.parametrize(
    "error", [KafkaConnectionError("x"), KafkaUnreachable("x"), OSError("x"), TimeoutError("x")]
)
async def test_it_is_repeated(error: Exception) -> None:
    """Whatever way the brokers fail to answer."""
    app = _App()
    await app.ask([error, error, None])
    assert app.asked == [error, error, None]


async def test_a_stop_ends_it() -> None:
    """The stop waits for whoever asks."""
    app = _App(stops_after=2)
    with pytest.raises(AppStopped, match="stopping"):
        await app.ask([KafkaConnectionError("x")])
    assert len(app.asked) == 2


async def test_an_app_that_stops_asks_nothing() -> None:
    """Not even once: the answer would be too late."""
    app = _App(stops_after=0)
    with pytest.raises(AppStopped):
        await app.ask([None])
    assert app.asked == []


async def test_without_a_connection_there_is_no_question() -> None:
    """The app has stopped in the meantime."""
    with pytest.raises(AppStopped):
        await _App().ask([NotReady("x")])


async def test_another_error_is_a_bug() -> None:
    """It is not repeated."""
    with pytest.raises(ZeroDivisionError):
        await _App().ask([ZeroDivisionError()])
