"""`wa-streams`: the group of all commands, and the one place where errors become exit codes.

0 done · 1 it was tried and failed · 2 wrong usage or a wrong setting, one line says what to do.
Commands import what they need when they run, so that `--help` and `config` are quick.
"""

import importlib
import logging
import sys
from collections.abc import Sequence

import click

from streams.cli.error_map import translated
from streams.cli.output import say
from streams.operations.errors import CommandError
from streams.settings import SettingError

_NAME = "wa-streams"
_COMMANDS = {
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


class _Commands(click.Group):
    """Knows every command by name, and imports it when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        where = _COMMANDS.get(cmd_name)
        if where is None:
            return None
        module, _, name = where.partition(":")
        return getattr(importlib.import_module(module), name)


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="wa-streams", prog_name=_NAME)
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
        code = cli.main(list(arguments), prog_name=_NAME, standalone_mode=False)
    except click.UsageError as error:
        return _complain(f"{error.format_message()} See `{_path(error)} --help`.", 2)
    except SettingError as error:
        return _complain(str(error), 2)
    except CommandError as error:
        return _complain(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _complain("interrupted", 1)
    except Exception as error:
        known = translated(error)
        if known is None:
            raise  # a fault of ours: its traceback is what helps
        return _complain(str(known), known.exit_code)
    return code if isinstance(code, int) else 0


def _path(error: click.UsageError) -> str:
    return error.ctx.command_path if error.ctx is not None else _NAME


def _complain(text: str, code: int) -> int:
    say(f"{_NAME}: {' '.join(text.split())}")
    return code


if __name__ == "__main__":
    main()
