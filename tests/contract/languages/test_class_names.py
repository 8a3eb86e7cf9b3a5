"""Classes that generators of other languages make from the schemas: their names, and that they accept our records."""

import ast
import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from datamodel_code_generator import DataModelType, Formatter, InputFileType, generate
from pydantic import ValidationError

from streams.contract import account, inbound, status
from tests.contract.languages.tools import FILES, run_node
from tests.contract.rejected_samples import REJECTED
from tests.contract.samples import ACCEPTED
from tests.contract.test_records import ACCOUNT, FULL_EVENT, INBOUND

RECORDS = {
    "AlertRecord",
    "BatchProgress",
    "BatchRequest",
    "CancelRequest",
    "ConsentRequest",
    "EditRequest",
    "ForgetRequest",
    "RevokeRequest",
    "Request",
    "StatusEvent",
    "AccountRecord",
    "InboundMessage",
    "DeadLetterHeaders",
    "Template",
}
CONTENTS = {
    "TextContent",
    "TemplateContent",
    "ImageContent",
    "VideoContent",
    "AudioContent",
    "DocumentContent",
    "StickerContent",
    "LocationContent",
    "ContactContent",
    "PollContent",
    "ReactionContent",
}
PARTS = {
    "AlertState",
    "AlertSeverity",
    "Priority",
    "Category",
    "ErrorInfo",
    "ErrorClass",
    "MessageStatus",
    "QueuedReason",
    "AccountState",
    "NewChatQuota",
    "AppliedRequest",
    "RequestedState",
    "EditedText",
    "ConsentStatus",
    "WarmUp",
    "SlowReturn",
    "DeadLetterOutcome",
    "InboundType",
    "InboundMedia",
    "InboundLocation",
    "InboundContact",
    "InboundPoll",
}

# -- quicktype

# It has no unions of classes: all kinds of content together are `Content`, and the words of `type` are enums.
QUICKTYPE_ONLY = {
    "BatchRequestType",
    "CancelRequestType",
    "ConsentRequestType",
    "EditRequestType",
    "ForgetRequestType",
    "RevokeRequestType",
    "Content",
    "ContentType",
    "TextContentType",
    "TemplateContentType",
    "ImageContentType",
    "VideoContentType",
    "AudioContentType",
    "DocumentContentType",
    "StickerContentType",
    "LocationContentType",
    "ContactContentType",
    "PollContentType",
    "ReactionContentType",
}
# Go has no unions of simple types either.
GO_ONLY = {"TemplateParameter"}
DECLARATIONS = {
    "typescript": r"^export (?:interface|type|enum) (\w+)",
    "go": r"^type (\w+) ",
}


@pytest.mark.parametrize("language", DECLARATIONS)
def test_quicktype_names_its_types_as_a_person_would(language: str) -> None:
    """One run over all schemas gives these classes, with the kinds of content."""
    uris = {"request": ["#/", "#/$defs/"]}
    sources = [
        {"name": name, "file": file, "uris": uris.get(name, ["#/"])} for name, file in FILES.items()
    ]
    source = run_node("quicktype.mjs", {"language": language, "sources": sources})
    names = re.findall(DECLARATIONS[language], source, re.MULTILINE)
    only = QUICKTYPE_ONLY | (GO_ONLY if language == "go" else set[str]())
    assert sorted(names) == sorted(RECORDS | CONTENTS | PARTS | only)


# -- datamodel-code-generator

# A text of a list that has bounds becomes a class.
PYTHON_ONLY = {"Phone", "Option"}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModuleType]:
    """A module of pydantic classes for each schema."""
    folder = tmp_path_factory.mktemp("generated")
    return {name: imported(Path(file), folder) for name, file in FILES.items()}


def imported(schema: Path, folder: Path) -> ModuleType:
    path = folder / f"generated_{schema.stem.replace('-', '_')}.py"
    generate(
        schema,
        output=path,
        input_file_type=InputFileType.JsonSchema,
        output_model_type=DataModelType.PydanticV2BaseModel,
        formatters=[Formatter.BUILTIN],
    )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # pydantic looks up its annotations there
    spec.loader.exec_module(module)
    return module


def class_names(module: ModuleType) -> set[str]:
    tree = ast.parse(Path(module.__file__ or "").read_bytes())
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


def test_datamodel_code_generator_names_its_classes_as_a_person_would(
    modules: dict[str, ModuleType],
) -> None:
    """Each schema gives these classes without more options."""
    names = set[str]().union(*map(class_names, modules.values()))
    assert names == RECORDS | CONTENTS | PARTS | PYTHON_ONLY


@pytest.mark.parametrize("name", ACCEPTED)
def test_generated_classes_take_accepted_requests(
    name: str, modules: dict[str, ModuleType]
) -> None:
    """Each record is accepted, and content gets the class of its kind."""
    request = modules["request"].Request.model_validate(ACCEPTED[name])
    content: dict[str, Any] | None = ACCEPTED[name].get("content")
    expected = f"{content['type'].title()}Content" if content else "NoneType"
    assert type(request.content).__name__ == expected


@pytest.mark.parametrize(
    "name",
    [
        "an unknown priority",
        "a recipient that is a list",
        "a wrong name of an account",
        "a blank text",
        "content of an unknown type",
        "a file that is not base64",
        "beyond the pole",
        "a poll with one option",
    ],
)
def test_generated_classes_reject_what_types_can_express(
    name: str, modules: dict[str, ModuleType]
) -> None:
    """The classes contain the words, types, bounds and patterns."""
    with pytest.raises(ValidationError):
        modules["request"].Request.model_validate_json(REJECTED[name].value)


def test_generated_classes_take_the_records_of_wa_streams(modules: dict[str, ModuleType]) -> None:
    """A consumer in Python can read topics with the classes."""
    event = modules["status"].StatusEvent.model_validate_json(status.encode(FULL_EVENT))
    record = modules["account"].AccountRecord.model_validate_json(account.encode(ACCOUNT))
    message = modules["inbound"].InboundMessage.model_validate_json(inbound.encode(INBOUND))
    assert (event.error.class_.value, record.state.value) == ("transient", "linking")
    assert json.loads(message.model_dump_json(by_alias=True))["from"] == "+60123456789"
