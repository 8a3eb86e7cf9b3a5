"""`wa-streams`: the group of all commands, and the one place where errors become exit codes.

0 done · 1 it was tried and failed · 2 wrong usage or a wrong setting, one line says what to do.
Commands import what they need when they run, so that `--help` and `config` are quick.
"""

import importlib
import logging
import sys
from collections.abc import Sequence

import click

from streams.cli.error_map import translate
from streams.cli.output import print_note
from streams.operations.errors import CommandError
from streams.settings import SettingError

_PROGRAM = "wa-streams"
_COMMANDS = {
    "setup": "streams.cli.setup:setup",
    "up": "streams.cli.up:up",
    "ps": "streams.cli.up:ps",
    "demo": "streams.demo.play:demo",
    "send": "streams.cli.messages:send",
    "status": "streams.cli.messages:status",
    "dlq": "streams.cli.dead_letters:dlq",
    "accounts": "streams.cli.accounts:accounts",
    "topics": "streams.cli.topics:topics",
    "dispatch": "streams.cli.workers:dispatch",
    "sender": "streams.cli.workers:sender",
    "sandbox": "streams.cli.workers:sandbox",
    "doctor": "streams.cli.doctor:doctor",
    "config": "streams.cli.config:config",
}


class _LazyGroup(click.Group):
    """Knows every command by name, and imports it when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = _COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, name = target.partition(":")
        return getattr(importlib.import_module(module), name)


@click.group(
    cls=_LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="wa-streams", prog_name=_PROGRAM)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """WhatsApp messages asked for through Kafka. Settings are WA_… variables: `wa-streams config`."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> None:
    """The program."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    # Else warnings reach stderr before our one line, which says the same better. Workers, whose
    # logging is set up, lose nothing by it.
    for name in ("aiokafka", "streams"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    try:
        code = cli.main(list(arguments), prog_name=_PROGRAM, standalone_mode=False)
    except click.UsageError as error:
        return _print_error(f"{error.format_message()} See `{_command_path(error)} --help`.", 2)
    except SettingError as error:
        return _print_error(str(error), 2)
    except CommandError as error:
        return _print_error(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _print_error("interrupted", 1)
    except Exception as error:
        command_error = translate(error)
        if command_error is None:
            raise  # a fault of ours: its traceback is what helps
        return _print_error(str(command_error), command_error.exit_code)
    return code if isinstance(code, int) else 0


def _command_path(error: click.UsageError) -> str:
    return error.ctx.command_path if error.ctx is not None else _PROGRAM


def _print_error(text: str, code: int) -> int:
    print_note(f"{_PROGRAM}: {' '.join(text.split())}")
    return code


if __name__ == "__main__":
    main()
