"""Records of `wa.alerts`: one id for one fact, and what they say of an alert whose rule is gone."""

import json
from dataclasses import replace

import jsonschema
import pytest

from streams.contract.alerts import record as wire
from streams.contract.export.json_schema import build_schemas
from streams.dispatch.alerts.records import RaisedAlert, decode, get_key, make_record
from streams.domain.alerts.evaluation import AlertKey, Change
from streams.domain.alerts.rules import RULES

KEY = AlertKey("account_silent", (("account", "main"),))
RAISED_AT_S = 1_795_510_800.412


def change(*, is_raised: bool = True, is_repeat: bool = False) -> Change:
    return Change(
        key=KEY,
        is_raised=is_raised,
        raised_at_s=RAISED_AT_S,
        at_s=RAISED_AT_S if is_raised else RAISED_AT_S + 60,
        value=1.0 if is_raised else None,
        is_repeat=is_repeat,
    )


def test_a_record_says_what_is_wrong_and_where_to_read_on() -> None:
    """It follows its JSON Schema, and its key is found again in it."""
    record = make_record(change(), None)
    assert record is not None
    assert record.event_id == "account_silent/account=main/2026-11-24T09:00:00.412Z/raised"
    assert (record.value, record.threshold, record.severity) == (1.0, 0, "critical")
    assert record.runbook == "docs/runbook/account_silent.md"
    value = wire.encode(record)
    jsonschema.validate(json.loads(value), build_schemas()["alert"])
    assert decode(value) == record
    assert get_key(record) == KEY


def test_a_repeat_is_the_same_record() -> None:
    """Byte for byte, with the time that was read back from the topic."""
    record = make_record(change(), None)
    assert record is not None
    condition = RaisedAlert(record, 5.0).to_condition()
    assert condition.raised_at_s is not None
    repeated = Change(
        key=KEY,
        is_raised=True,
        raised_at_s=condition.raised_at_s,
        at_s=condition.raised_at_s,
        value=7.0,
        is_repeat=True,
    )
    assert make_record(repeated, record) == record


def test_an_alert_is_cleared_under_the_id_of_what_was_raised() -> None:
    """Its time is the one of the end."""
    record = make_record(change(is_raised=False), None)
    assert record is not None
    assert record.event_id == "account_silent/account=main/2026-11-24T09:00:00.412Z/cleared"
    assert (record.at, record.value) == ("2026-11-24T09:01:00.412Z", None)


def test_an_alert_whose_rule_is_gone_is_cleared_in_its_own_words() -> None:
    """A new version may have removed the rule; without any record of it there is nothing to say."""
    raised = make_record(change(), None)
    cleared = make_record(change(is_raised=False), raised, rules=())
    assert cleared is not None
    assert raised is not None
    assert (cleared.state, cleared.summary) == ("cleared", raised.summary)
    assert make_record(change(is_raised=False), None, rules=()) is None


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"{}", b'{"alert": "x"}'])
def test_what_others_write_is_not_an_alert(value: bytes | None) -> None:
    """The topic is public, so anything may be in it."""
    assert decode(value) is None


def test_every_rule_makes_a_valid_record() -> None:
    """Names and thresholds follow the schema."""
    schema = build_schemas()["alert"]
    for rule in RULES:
        key = AlertKey(rule.name, (("topic", "wa.outbound"), ("partition", "0")))
        record = make_record(replace(change(), key=key), None)
        assert record is not None
        jsonschema.validate(json.loads(wire.encode(record)), schema)
