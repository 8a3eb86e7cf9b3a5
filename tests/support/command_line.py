"""The command line as click parses it, for tests of documents and examples that contain commands.

Runs nothing: a command that exists, with options that exist, is right here, whatever it would do.
"""

from collections.abc import Iterator, Sequence

import click

from streams.cli.main import cli


def check_command(arguments: Sequence[str]) -> None:
    """Raises what click raises for a command, an option or a value that does not exist."""
    group, remaining = cli, list(arguments)
    # With the group's settings: a command keeps the option for its help that it made first.
    with click.Context(cli, info_name="wa-streams", **cli.context_settings) as context:
        # A group that runs without a command, such as `webhooks`, is one itself.
        while isinstance(group, click.Group) and (remaining or not group.invoke_without_command):
            _, command, remaining = group.resolve_command(context, remaining)
            assert command is not None
            group = command
        group.make_context(arguments[0], remaining, parent=context)


def command_names(group: click.Group = cli, prefix: str = "") -> Iterator[str]:
    """Each command, one in a group with the group's name before it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from command_names(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}"
