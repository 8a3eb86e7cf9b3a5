"""The topics of wa-streams: create the missing ones, check them all. Never changes an existing topic.

A topic with the wrong configuration may hold records that somebody needs, so correcting it is left to a
person with the tools of Kafka.
"""

from dataclasses import dataclass

from streams.kafka import admin
from streams.kafka.topics import required_topics
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class CheckedTopic:
    """One required topic; `problem` is None if it is as it must be."""

    name: str
    problem: admin.TopicProblem | None


async def create(settings: Settings) -> dict[str, bool]:
    """Create the topics that are missing. Returns each required topic and whether it was created."""
    created = await admin.create_topics(settings)
    return {spec.name: spec.name in created for spec in required_topics(settings)}


async def check(settings: Settings) -> list[CheckedTopic]:
    """Compare each required topic with its specification."""
    problems = {check.topic: check for check in await admin.check_topics(settings)}
    return [CheckedTopic(spec.name, problems.get(spec.name)) for spec in required_topics(settings)]
