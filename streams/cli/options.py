"""Options and parameter types that several commands share. Runs nothing."""

import json
import math
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

import click

from streams.cli.time_param import TimeParam
from streams.contract.errors import ErrorClass
from streams.domain.errors import CODES

F = TypeVar("F", bound=Callable[..., Any])

MAX_TIMEOUT_S = 31_536_000.0  # a year
_WORKER_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class JsonObject(click.ParamType):
    """A JSON object."""

    name = "json"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        """Parse the text."""
        if isinstance(value, dict):
            return value
        try:
            parsed = json.loads(str(value))
        except (ValueError, RecursionError) as error:
            self.fail(f"is not JSON ({error}).")
        if not isinstance(parsed, dict):
            self.fail("must be a JSON object.")
        return parsed


class Seconds(click.FloatRange):
    """A finite number of seconds, or of anything else that is counted."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read the number; `nan` and `inf` are floats for Python."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


def timeout_option(default_s: float) -> Callable[[F], F]:
    """The option `--timeout` of a command that waits."""
    return click.option(
        "--timeout",
        "timeout_s",
        type=Seconds(min=0, max=MAX_TIMEOUT_S),
        default=default_s,
        show_default=True,
        help="seconds to wait",
    )


def _validate_name(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Files are named after a worker, so its name must not lead to another folder."""
    if value is not None and not _WORKER_NAME.fullmatch(value):
        raise click.BadParameter(
            f"{value!r}: use lower-case letters, digits and hyphens, for example dispatch-2."
        )
    return value


def _validate_reason(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A mistyped code would select nothing, which looks like good news."""
    if value is None or value in CODES:
        return value
    nearest = get_close_matches(value, CODES, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"use one of {', '.join(sorted(CODES))}"
    raise click.BadParameter(f"{value!r} is not an error code; {hint}")


name_option = click.option(
    "--name", callback=_validate_name, help="name of this worker; each worker here needs its own"
)
sandbox_option = click.option(
    "--sandbox", is_flag=True, help="use the simulated WhatsApp that runs on this data folder"
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="print what would be done, and do nothing"
)
all_option = click.option("--all", "everything", is_flag=True, help="every dead letter")


def filter_options(command: F) -> F:
    """The options of a command that selects dead letters: the fields of a DeadLetterFilter."""
    for option in (
        click.option("--until", type=TimeParam(), help="failed before this time"),
        click.option(
            "--since",
            type=TimeParam(),
            help="failed at this time or later: 15m, 2h, 7d (ago), or a time",
        ),
        click.option("--account", help="of this sending account"),
        click.option("--class", "error_class", type=click.Choice(get_args(ErrorClass))),
        click.option(
            "--reason",
            callback=_validate_reason,
            help="error code, for example recipient_not_on_whatsapp",
        ),
        click.option("--batch", "batch_id", help="of this batch"),
        click.option("--to", help="to this recipient"),
        click.option("--id", "ids", multiple=True, help="id of the dead letter or of its request"),
    ):
        command = option(command)
    return command
