"""The ladder as a specification, and when a page has grown too large. No browser."""

from streams.whatsapp.web.recovery_policy import (
    RecoveryLevel,
    RecoveryPolicy,
    RecoverySettings,
    RecoveryStep,
    has_outgrown,
)

PATIENCE = RecoverySettings(
    max_failures=6, backoff_base_s=1.0, backoff_max_s=5.0, healthy_reset_s=60.0
)


def ladder(chance: float = 1.0) -> RecoveryPolicy:
    return RecoveryPolicy(PATIENCE, lambda: chance)


def test_climbs_waits_longer_and_gives_up() -> None:
    """Reload at once, then a new page, then new browsers with growing waits, then nothing."""
    watchdog = ladder()
    assert [watchdog.record_failure(0.0) for _ in range(6)] == [
        RecoveryStep(RecoveryLevel.RELOAD, 0.0),
        RecoveryStep(RecoveryLevel.NEW_PAGE, 1.0),
        RecoveryStep(RecoveryLevel.NEW_BROWSER, 2.0),
        RecoveryStep(RecoveryLevel.NEW_BROWSER, 4.0),
        RecoveryStep(RecoveryLevel.NEW_BROWSER, 5.0),
        None,
    ]


def test_a_dead_browser_is_not_reloaded() -> None:
    """The rung is at least what the trouble needs."""
    assert ladder().record_failure(0.0, RecoveryLevel.NEW_BROWSER) == RecoveryStep(
        RecoveryLevel.NEW_BROWSER, 0.0
    )


def test_the_whole_wait_is_chance() -> None:
    """Full jitter: between nothing and the bound, so that many accounts do not come back at once."""
    watchdog = ladder(chance=0.25)
    steps = [watchdog.record_failure(0.0) for _ in range(3)]
    assert [step.delay_s for step in steps if step] == [0.0, 0.25, 0.5]


def test_a_calm_minute_ends_the_series() -> None:
    """After calm_s healthy seconds the next failure is the first again."""
    watchdog = ladder()
    watchdog.record_failure(0.0)
    watchdog.record_healthy(10.0)
    watchdog.record_healthy(50.0)
    assert watchdog.record_failure(70.0) == RecoveryStep(RecoveryLevel.RELOAD, 0.0)


def test_a_page_that_dies_young_does_not_end_the_series() -> None:
    """Ready for a moment is not healthy."""
    watchdog = ladder()
    watchdog.record_failure(0.0)
    watchdog.record_healthy(10.0)
    assert watchdog.record_failure(69.0) == RecoveryStep(RecoveryLevel.NEW_PAGE, 1.0)


def test_health_before_the_last_failure_does_not_count() -> None:
    """Each failure starts the calm anew."""
    watchdog = ladder()
    watchdog.record_healthy(0.0)
    watchdog.record_failure(30.0)
    assert watchdog.record_failure(80.0) == RecoveryStep(RecoveryLevel.NEW_PAGE, 1.0)


def test_an_unreachable_whatsapp_is_tried_for_ever() -> None:
    """A network that is down uses up no patience."""
    watchdog = ladder()
    assert [watchdog.unreachable_delay_s(n) for n in (1, 2, 50)] == [2.0, 4.0, 5.0]
    assert watchdog.record_failure(0.0) == RecoveryStep(RecoveryLevel.RELOAD, 0.0)


def test_a_page_is_loaded_anew_when_that_wins_much() -> None:
    """It holds more than it may, and has grown; one that is large by nature is left alone."""
    assert has_outgrown(520.0, 200.0, 512)
    assert not has_outgrown(500.0, 200.0, 512)
    assert not has_outgrown(600.0, 550.0, 512)
    assert not has_outgrown(5000.0, 200.0, 0)
