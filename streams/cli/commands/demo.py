"""`demo`: play the demo of `streams.demo`, and print its verdict."""

import time
from collections.abc import Sequence
from dataclasses import asdict

import click

from streams.cli import output
from streams.demo import play
from streams.demo.judge import Finding
from streams.demo.screen import SIMULATION_NOTICE, make_screen
from streams.operations.errors import CommandFailed


@click.command()
@output.json_option
def demo(as_json: bool) -> None:
    """Run a demo on a simulated WhatsApp.

    About 60 requests, a flood, invalid requests and a replay; then it checks what arrived.
    """
    started_s = time.monotonic()
    with play.temporary_settings() as settings:
        with make_screen(as_json=as_json) as screen:
            verdict = play.play(settings, screen)
        _print_verdict(verdict, time.monotonic() - started_s, as_json)
        if any(finding.problems for finding in verdict):
            raise CommandFailed(
                f"the phones and the status events do not agree (logs: {play.keep_logs(settings)})"
            )


def _print_verdict(verdict: Sequence[Finding], elapsed_s: float, as_json: bool) -> None:
    if as_json:
        for finding in verdict:
            output.print_json({"ok": not finding.problems, **asdict(finding)})
        return
    output.print_data("\nThe simulated WhatsApp's log, compared with the topics:")
    for finding in verdict:
        result = "WRONG" if finding.problems else "ok"
        output.print_data(f"  {result:<5} {finding.name:<13} {finding.summary}")
        for problem in finding.problems:
            output.print_data(f"        {problem}")
    output.print_data(f"{elapsed_s:.0f} s. {SIMULATION_NOTICE}")
