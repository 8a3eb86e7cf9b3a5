"""`topics`: create them with the configuration of the contract, and check them."""

import asyncio

import click

from streams.cli import output
from streams.kafka import admin
from streams.kafka.topics import required_topics
from streams.local import run_dir
from streams.operations.errors import CommandFailed
from streams.settings import load


@click.group()
def topics() -> None:
    """The topics that everything rests on."""


@topics.command()
@output.json_option
def create(as_json: bool) -> None:
    """Create the topics that are missing. One that is there is never changed."""
    settings = run_dir.resolve_kafka(load())
    created = asyncio.run(admin.create_topics(settings))
    output.print_rows(
        [
            {"topic": spec.name, "created": spec.name in created}
            for spec in required_topics(settings)
        ],
        ("topic", "created"),
        as_json=as_json,
    )


@topics.command()
@output.json_option
def check(as_json: bool) -> None:
    """Say which topics are missing or wrong; exit code 1 when one is."""
    settings = run_dir.resolve_kafka(load())
    problems = asyncio.run(admin.check_topics(settings))
    problems_by_topic = {problem.topic: problem for problem in problems}
    output.print_rows(
        [
            {
                "topic": spec.name,
                "ok": spec.name not in problems_by_topic,
                "problem": str(problems_by_topic[spec.name])
                if spec.name in problems_by_topic
                else None,
            }
            for spec in required_topics(settings)
        ],
        ("ok", "topic", "problem"),
        as_json=as_json,
    )
    if problems:
        raise CommandFailed(str(admin.InvalidTopics(problems)))
