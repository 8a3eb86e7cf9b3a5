"""The switches match the source as it is: each finds its text, and the tests that it names exist."""

import ast

import pytest

from tests.overrides.switches import ROOT, SWITCHES, Switch


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.name)
def test_a_switch_finds_its_text(switch: Switch):
    """The text occurs once, and the source without it is still valid Python."""
    source = (ROOT / switch.path).read_text()
    off = switch.off(source)
    assert off != source
    ast.parse(off)


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.name)
def test_the_named_tests_exist(switch: Switch):
    """Every switch names tests, and each of them is a function of its file."""
    assert switch.tests
    for test in switch.tests:
        file, function = test.split("[")[0].split("::")
        assert function in _functions((ROOT / file).read_text()), test


def _functions(source: str) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_names_are_unique():
    """A switch is selected by its name."""
    assert len({switch.name for switch in SWITCHES}) == len(SWITCHES)
