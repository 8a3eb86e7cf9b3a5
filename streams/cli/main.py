"""`wa-streams`: the group of all commands, and the one place where errors become exit codes.

    0   done
    1   it was tried and failed, for example because Kafka does not answer: a retry may work
    2   wrong usage or a wrong setting; one line says what to do
    130 interrupted by Ctrl-C

A command is imported when it is used, so that each one starts quickly.
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
from streams.system.interrupts import INTERRUPTED, hold_interrupts
from streams.system.std_streams import discard, prepare_streams

_PROGRAM = "wa-streams"
_COMMANDS = {  # name → module of `commands` and the command in it, in the order of `--help`
    "setup": "setup:setup",
    "up": "up:up",
    "ps": "ps:ps",
    "demo": "demo:demo",
    "send": "send:send",
    "batch": "messages.batch:batch",
    "cancel": "send:cancel",
    "status": "status:status",
    "queue": "queue:queue",
    "dlq": "dead_letters:dlq",
    "alerts": "checks.alerts:alerts",
    "audit": "checks.audit:audit",
    "report": "report:report",
    "accounts": "accounts:accounts",
    "consent": "messages.consent:consent",
    "forget": "messages.forget:forget",
    "templates": "messages.templates:templates",
    "topics": "topics:topics",
    "dispatch": "services.dispatch:dispatch",
    "sender": "services.sender:sender",
    "console": "services.console:console",
    "webhooks": "services.webhooks:webhooks",
    "sandbox": "services.sandbox:sandbox",
    "bench": "checks.bench:bench",
    "doctor": "doctor:doctor",
    "config": "config:config",
}


class _LazyGroup(click.Group):
    """Knows every command by name, and imports it when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = _COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, name = target.partition(":")
        with hold_interrupts():
            return getattr(importlib.import_module(f"streams.cli.commands.{module}"), name)


@click.group(
    cls=_LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="wa-streams", prog_name=_PROGRAM)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Send WhatsApp messages through Kafka. `wa-streams config` lists the settings."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


_NOT_CONFIRMED = "not confirmed, so nothing was done; where nobody can answer, give --yes"


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    _silence_libraries()
    prepare_streams()
    if any("\0" in argument for argument in arguments):  # no shell passes one, but a program may
        return _print_error("an argument contains a NUL character", 2)
    try:
        code = cli.main(list(arguments), prog_name=_PROGRAM, standalone_mode=False)
    except click.UsageError as error:
        return _print_error(f"{error.format_message()} See `{_command_path(error)} --help`.", 2)
    except SettingError as error:
        return _print_error(str(error), 2)
    except CommandError as error:
        return _print_error(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _print_error("interrupted", INTERRUPTED)
    except click.Abort as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            return _print_error("interrupted", INTERRUPTED)
        return _print_error(_NOT_CONFIRMED, 1)
    except Exception as error:
        code = _explain(error)
        if code is None:
            raise  # a bug of ours: the traceback helps
    return code if isinstance(code, int) else 0


def _explain(error: Exception) -> int | None:
    """Print what an error of another package means; returns the exit code, or None if nothing is known of it."""
    if isinstance(error, OSError) and error.filename is None:  # perhaps of stdout
        discard(sys.stdout)
    command_error = translate(error)
    if command_error is None:
        return None
    return _print_error(str(command_error), command_error.exit_code)


def _silence_libraries() -> None:
    # Without handlers Python prints their warnings to stderr, before our one line that says the same
    # better. Workers set up their own logging and lose nothing.
    for name in ("aiokafka", "asyncio", "streams"):
        logging.getLogger(name).addHandler(logging.NullHandler())


def _command_path(error: click.UsageError) -> str:
    return error.ctx.command_path if error.ctx is not None else _PROGRAM


def _print_error(text: str, code: int) -> int:
    print_note(f"{_PROGRAM}: {' '.join(text.split())}")
    return code
