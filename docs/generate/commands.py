"""The page of the commands: what `--help` of each prints, at a width of 80 columns. It runs no command."""

from collections.abc import Iterator
from typing import Final

import click

from docs.generate.markdown import fence, page
from streams.cli.main import cli

_WIDTH: Final = 80
_INTRODUCTION: Final = """\
What `--help` prints, for each command. [Operating](../operating.md#commands) says in one line each what they do, and
[Operating](../operating.md#exit-codes) has the exit codes."""


def render_commands() -> str:
    """The page, with the commands in the order of `wa-streams --help`."""
    parts = [f"## {name}\n\n{fence(text)}" for name, text in _help_texts(cli, "wa-streams")]
    return page("Commands", _INTRODUCTION, *parts)


def _help_texts(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """Each command's full name and help, a group before its commands."""
    context = click.Context(
        command, info_name=name if parent is None else command.name, parent=parent
    )
    context.terminal_width = context.max_content_width = _WIDTH
    context.help_option_names = ["-h", "--help"]
    yield name, command.get_help(context).rstrip()
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            assert child is not None
            yield from _help_texts(child, f"{name} {child_name}", context)
