"""The report of `doctor` on one account: one page of text, 80 columns wide. Decides nothing."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from streams.operations.doctor.verdict import Finding, Verdict

WIDTH: Final = 80
_NAME_WIDTH, _VERDICT_WIDTH = 13, 6
_INDENT: Final = " " * (_NAME_WIDTH + _VERDICT_WIDTH)


def format_report(account: str, source: str, findings: Sequence[Finding]) -> str:
    """The whole report. `source` says how the diagnosis was made."""
    lines = [f"{account} ({source})"]
    for finding in findings:
        lines += _format_finding(finding)
    lines += _wrap(_summarize(findings), indent="")
    return "\n".join(lines)


def _format_finding(finding: Finding) -> Iterator[str]:
    head = f"{finding.name:<{_NAME_WIDTH}}{finding.verdict:<{_VERDICT_WIDTH}}"
    first, *rest = _wrap(finding.detail, indent=_INDENT) or [""]
    yield f"{head}{first.strip()}".rstrip()
    yield from rest
    if finding.verdict is not Verdict.OK and finding.advice:
        yield from _wrap(f"→ {finding.advice}", indent=_INDENT)


def _wrap(text: str, *, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def _summarize(findings: Sequence[Finding]) -> str:
    names = {
        verdict: [finding.name for finding in findings if finding.verdict is verdict]
        for verdict in (Verdict.WRONG, Verdict.CHECK)
    }
    if names[Verdict.WRONG]:
        return f"wrong: {', '.join(names[Verdict.WRONG])}"
    if names[Verdict.CHECK]:
        return f"nothing is wrong; have a look at: {', '.join(names[Verdict.CHECK])}"
    return "everything is as it should be"
