"""`topics` on the real broker: topics are created once, checked, and never created by a reader."""

import pytest

from streams.settings import Settings
from tests.cli.conftest import Command

pytestmark = pytest.mark.broker


def test_without_topics_it_says_what_to_do(settings: Settings, command: Command) -> None:
    """Reading a topic does not create it."""
    assert "topics create" in command("dlq", "list", settings=settings).error_line


def test_topics_are_created_and_checked(settings: Settings, command: Command) -> None:
    """A check names each missing topic with exit code 1; topics are created once, and are then correct."""
    missing = command("topics", "check", "--json", settings=settings)
    assert (missing.code, {row["ok"] for row in missing.objects}) == (1, {False})
    created = command("topics", "create", "--json", settings=settings)
    assert (created.code, {row["created"] for row in created.objects}) == (0, {True})
    again = command("topics", "create", "--json", settings=settings)
    assert {row["created"] for row in again.objects} == {False}
    assert command("topics", "check", settings=settings).code == 0


def test_each_created_topic_is_correct(settings: Settings, command: Command) -> None:
    """The check names every topic, internal ones too, and finds no problem."""
    created = command("topics", "create", "--json", settings=settings)
    checked = command("topics", "check", "--json", settings=settings)
    assert {row["topic"] for row in checked.objects} == {row["topic"] for row in created.objects}
    assert {row["problem"] for row in checked.objects} == {None}
