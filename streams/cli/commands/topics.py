"""`topics`: create the topics of the contract, and check them."""

import asyncio

import click

from streams.cli import output
from streams.kafka.admin import InvalidTopics
from streams.local import run_dir
from streams.operations import topics as operations
from streams.operations.errors import CommandFailed
from streams.settings import load


@click.group()
def topics() -> None:
    """Create and check the topics."""


@topics.command()
@output.json_option
def create(as_json: bool) -> None:
    """Create the topics that are missing. An existing topic is never changed."""
    created = asyncio.run(operations.create(run_dir.resolve_kafka(load())))
    rows = [{"topic": name, "created": is_new} for name, is_new in created.items()]
    output.print_rows(rows, ("topic", "created"), as_json=as_json)


@topics.command()
@output.json_option
def check(as_json: bool) -> None:
    """Check the topics.

    The exit code is 1 if one is missing or has a wrong configuration.
    """
    checked = asyncio.run(operations.check(run_dir.resolve_kafka(load())))
    rows = [
        {
            "topic": check.name,
            "ok": check.problem is None,
            "problem": None if check.problem is None else str(check.problem),
        }
        for check in checked
    ]
    output.print_rows(rows, ("ok", "topic", "problem"), as_json=as_json)
    problems = [check.problem for check in checked if check.problem is not None]
    if problems:
        raise CommandFailed(str(InvalidTopics(problems)))
