"""Retries of I/O: how often a call is made, and that nothing is printed about it."""

import pytest

from streams.system.retries import retry_on


class Flaky:
    """A call that fails with these errors, one after the other, and then works."""

    def __init__(self, *errors: Exception) -> None:
        self.calls = 0
        self._errors = list(errors)

    def __call__(self) -> str:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return "done"


def call(flaky: Flaky, max_attempts: int | None = 3) -> str:
    for attempt in retry_on(OSError, max_attempts=max_attempts, delay_s=0.001):
        with attempt:
            return flaky()
    raise AssertionError("unreachable")


def test_a_call_is_repeated_until_it_works(capfd: pytest.CaptureFixture[str]) -> None:
    """Errors of the named kind cost only time, and nothing is printed about them."""
    flaky = Flaky(OSError("1"), ConnectionError("2"))
    assert call(flaky) == "done"
    assert flaky.calls == 3
    assert capfd.readouterr() == ("", "")


def test_the_last_error_is_raised_as_it_is() -> None:
    """After `max_attempts` calls there is no other."""
    flaky = Flaky(OSError("1"), OSError("2"), OSError("3"))
    with pytest.raises(OSError, match="3"):
        call(flaky)
    assert flaky.calls == 3


def test_another_error_is_not_retried() -> None:
    """It is raised at once."""
    flaky = Flaky(ValueError("wrong"))
    with pytest.raises(ValueError, match="wrong"):
        call(flaky, max_attempts=None)
    assert flaky.calls == 1


async def test_an_asynchronous_call_is_repeated_by_a_predicate() -> None:
    """The predicate decides on the error itself, not only on its kind."""
    errors = [OSError("temporary"), OSError("final")]

    async def run() -> None:
        async for attempt in retry_on(
            lambda error: str(error) == "temporary", max_attempts=None, delay_s=0.001
        ):
            with attempt:
                raise errors.pop(0)

    with pytest.raises(OSError, match="final"):
        await run()
    assert errors == []
