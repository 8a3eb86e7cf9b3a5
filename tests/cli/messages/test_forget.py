"""`forget`: what it prints of what was removed, what is pending, and what stays. Nothing is removed here."""

import pytest

from streams.cli.commands.messages import forget as command
from streams.domain.forgetting import ForgetAnswer, ForgetReport, account_key, report_key
from streams.operations.forgetting.requesting import ForgetProgress
from streams.operations.forgetting.traces import Trace

PHONE = "+60123456789"
TRACES = [
    Trace("wa.status", "what became of them", "2027-02-26T12:00:00Z"),
    Trace("wa.dlq", "requests that failed", None, "purge them"),
]


def make_progress(*answered: str) -> ForgetProgress:
    """Two accounts are instructed; these have answered."""
    progress = ForgetProgress("f1")
    report = ForgetReport(
        request_id="f1",
        state="done",
        messages=3,
        cancelled=1,
        unfinished=1,
        consent="kept_as_hash",
        accounts=("main", "other"),
    )
    progress.reports[report_key("f1", PHONE)] = report
    for account in answered:
        answer = ForgetAnswer(account=account, request_id="f1", claims=2, has_chat=True)
        progress.answers[account_key(account, "f1", PHONE)] = answer
    return progress


def test_what_is_pending_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """An account that is away, and a message that is being sent; the command says how to go on."""
    result = command._describe(make_progress("main"), TRACES)
    command._print(result, TRACES)
    printed = capsys.readouterr()
    assert "messages removed: 3, of which cancelled: 1; consent: kept as hash" in printed.out
    assert "pending, being sent or in doubt: 1" in printed.out
    assert "account main: 2 claims, 0 files, its chat" in printed.out
    assert "pending: account other" in printed.out
    assert "run the command again" in printed.err


def test_the_dates_have_a_year(capsys: pytest.CaptureFixture[str]) -> None:
    """A retention may end in another year, or never; a remedy is a note; nothing goes on if all have answered."""
    result = command._describe(make_progress("main", "other"), TRACES)
    command._print(result, TRACES)
    printed = capsys.readouterr()
    assert result["is_complete"]
    assert "2027-02-26" in printed.out
    assert "purge them" in printed.err
    assert "run the command again" not in printed.err
    assert PHONE not in printed.out + printed.err
