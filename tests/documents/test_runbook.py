"""The runbook is complete: each state of an account has a page, and each page is listed.

The pages of alerts are tested beside their rules, in tests/deploy.
"""

from pathlib import Path
from typing import get_args

import pytest

from streams.contract.account import AccountState

DOCS = Path(__file__).parents[2] / "docs"
QUESTIONS = ("## What it means", "## What to look at", "## What to do")


def test_there_is_a_page_for_each_state_and_for_nothing_else() -> None:
    """A new state needs a page."""
    pages = {path.stem for path in (DOCS / "accounts").glob("*.md")}
    assert pages == set(get_args(AccountState))


@pytest.mark.parametrize("state", get_args(AccountState))
def test_a_page_answers_the_three_questions(state: str) -> None:
    """In their order, each with at least a sentence."""
    title, *parts = (DOCS / "accounts" / f"{state}.md").read_text().split("\n\n")
    assert title == f"# {state}"
    assert tuple(part for part in parts if part.startswith("#")) == QUESTIONS
    assert all(len(part) > 20 for part in parts if not part.startswith("#"))


@pytest.mark.parametrize("folder", ["accounts", "runbook"])
def test_each_page_is_listed(folder: str) -> None:
    """A person on call begins with the list."""
    listed = (DOCS / "runbook.md").read_text()
    pages = sorted((DOCS / folder).glob("*.md"))
    assert pages
    assert [page.name for page in pages if f"({folder}/{page.name})" not in listed] == []
