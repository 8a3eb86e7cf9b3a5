"""`topics`: create them with the configuration of the contract, and check them."""

import asyncio

import click

from streams.cli import output
from streams.kafka import admin
from streams.kafka.topics import required_topics
from streams.local import run_dir
from streams.operations.errors import Failed
from streams.settings import load


@click.group()
def topics() -> None:
    """The topics that everything rests on."""


@topics.command()
@output.json_option
def create(as_json: bool) -> None:
    """Create the topics that are missing. One that is there is never changed."""
    settings = run_dir.connected(load())
    created = asyncio.run(admin.create_topics(settings))
    output.rows(
        [{"topic": spec.name, "created": spec.name in created} for spec in required_topics(settings)],
        ("topic", "created"),
        as_json=as_json,
    )


@topics.command()
@output.json_option
def check(as_json: bool) -> None:
    """Say which topics are missing or wrong; exit code 1 when one is."""
    settings = run_dir.connected(load())
    problems = asyncio.run(admin.check_topics(settings))
    wrong = {problem.topic: problem for problem in problems}
    output.rows(
        [
            {
                "topic": spec.name,
                "ok": spec.name not in wrong,
                "problem": str(wrong[spec.name]) if spec.name in wrong else None,
            }
            for spec in required_topics(settings)
        ],
        ("ok", "topic", "problem"),
        as_json=as_json,
    )
    if problems:
        raise Failed(str(admin.InvalidTopics(problems)))
