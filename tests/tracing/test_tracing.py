"""Spans continue the trace of a request, in OpenTelemetry's own exporter; without a tracer there is nothing."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from streams.contract.errors import PartialRequest
from streams.contract.headers import TraceContext
from streams.contract.status import Status
from streams.dispatch.records.statuses import StatusRecords
from streams.domain.errors import Error
from streams.domain.phone.effects import PublishStatus
from streams.domain.phone.events import Sent
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.settings import SettingError, Settings, load
from streams.tracing import tracing
from tests.console.world import PHONE, Topics, visit
from tests.sender.fast import FastSender, make_command

TRACE_ID = "a" * 32
PARENT = "b" * 16
TRACE: TraceContext = (("traceparent", f"00-{TRACE_ID}-{PARENT}-01".encode()),)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """A tracer of this process, and what it has exported."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.install(provider)
    yield exporter
    tracing.install(None)


def describe(exporter: InMemorySpanExporter) -> list[tuple[str, str, str]]:
    """Name, trace and parent of each span."""
    return [
        (
            span.name,
            f"{span.context.trace_id:032x}" if span.context else "",
            f"{span.parent.span_id:016x}" if span.parent else "",
        )
        for span in exporter.get_finished_spans()
    ]


def test_a_span_continues_the_trace(spans: InMemorySpanExporter) -> None:
    """What follows has the span as its parent, and the same trace."""
    with tracing.span("outer", TRACE, "SERVER", count=2) as outer:
        tracing.record("inner", outer.context, 1000.5)
    inner, parent = spans.get_finished_spans()
    assert parent.context is not None
    assert describe(spans) == [
        ("inner", TRACE_ID, f"{parent.context.span_id:016x}"),
        ("outer", TRACE_ID, PARENT),
    ]
    assert (inner.start_time, inner.end_time) == (1_000_500_000_000, 1_000_500_000_000)
    assert dict(parent.attributes or {}) == {"count": 2}


def test_of_an_error_only_its_type_goes_out(spans: InMemorySpanExporter) -> None:
    """Its message and its stack may hold a number or a text."""

    def fail() -> None:
        with tracing.span("outer", TRACE):
            raise LookupError(f"no chat {PHONE}")

    with pytest.raises(LookupError):
        fail()
    (span,) = spans.get_finished_spans()
    assert dict(span.attributes or {}) == {"error.type": "LookupError"}
    assert PHONE not in span.to_json()
    assert span.events == ()


def test_a_request_without_a_trace_begins_one(spans: InMemorySpanExporter) -> None:
    """Only in the console: a status of a request without a trace has no span."""
    tracing.record("status", (), 1.0)
    assert describe(spans) == []
    with tracing.span("outer", ()) as outer:
        assert outer.context[0][0] == "traceparent"


def test_a_trace_that_is_not_sampled_is_passed_on(spans: InMemorySpanExporter) -> None:
    """The caller has decided: nothing is exported, and the headers go on."""
    context: TraceContext = (("traceparent", f"00-{TRACE_ID}-{PARENT}-00".encode()),)
    with tracing.span("outer", context) as outer:
        assert outer.context[0][1].startswith(f"00-{TRACE_ID}".encode())
        assert outer.context[0][1].endswith(b"-00")
    assert describe(spans) == []


def test_without_a_tracer_the_headers_go_through() -> None:
    """The same object, and nothing else."""
    with tracing.span("outer", TRACE, count=1) as outer:
        outer.set("name", "value")
        assert outer.context is TRACE
    tracing.record("inner", TRACE, 1.0)


def test_opentelemetry_is_not_imported_unless_it_is_wanted() -> None:
    """Neither by a worker nor by the console: it costs nothing if it is absent."""
    code = (
        "import sys, streams.dispatch.app, streams.console.app, streams.sender.app\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """WA_TRACES without the extra is a wrong setting; without WA_TRACES nothing is looked for."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    tracing.set_up_tracing(load({"WA_CONFIG": ""}), "x")
    with pytest.raises(SettingError, match="otel"):
        tracing.set_up_tracing(load({"WA_CONFIG": "", "WA_TRACES": "true"}), "x")


@pytest.mark.broker
async def test_the_console_passes_the_trace_to_kafka(
    spans: InMemorySpanExporter, settings: Settings
) -> None:
    """The record continues the caller's trace, below the console's span."""
    async with Topics.open(settings), visit(settings) as visitor:
        body = {"to": PHONE, "text": "hello"}
        headers = {"traceparent": TRACE[0][1].decode()}
        url = f"{visitor.url}/api/messages"
        async with visitor.http.post(url, json=body, headers=headers) as response:
            assert response.status == 202
        async with open_reader(settings, names(settings).outbound) as reader:
            (record,) = [record async for record in reader.read_to_end()]
    (span,) = spans.get_finished_spans()
    assert describe(spans) == [("POST /api/messages", TRACE_ID, PARENT)]
    assert span.context is not None
    expected = f"00-{TRACE_ID}-{span.context.span_id:016x}-01".encode()
    assert dict(record.headers)["traceparent"] == expected


async def test_the_send_is_a_span_with_its_result(spans: InMemorySpanExporter) -> None:
    """Of a dispatch with a trace, and of no other one; neither number nor text is in it."""
    sender = FastSender()
    await sender.open()
    try:
        await sender.dispatch(make_command("a", trace=TRACE))
        await sender.dispatch(make_command("b", number=2))
        assert isinstance(await sender.wait_for_result("a"), Sent)
        assert isinstance(await sender.wait_for_result("b"), Sent)
    finally:
        await sender.close()
    (span,) = spans.get_finished_spans()
    assert describe(spans) == [("wa.send", TRACE_ID, PARENT)]
    assert dict(span.attributes or {}) == {
        "wa.account": "main",
        "wa.dispatch": 1,
        "wa.result": "ServerAccepted",
    }


@pytest.mark.parametrize("kind", ["accepted", "sent", "delivered", "read"])
def test_each_status_up_to_the_receipts_is_a_span(
    spans: InMemorySpanExporter, kind: Status
) -> None:
    """At the time of the fact, with its account; without a number and without the caller's id."""
    effect = PublishStatus(
        id="order-1", status=kind, event_id_suffix="1", at_s=1000.25, account="main", attempt=1
    )
    records = StatusRecords("wa.status")
    records.map_effect(PHONE, effect, PartialRequest(id="order-1", trace=TRACE), None)
    records.map_effect(PHONE, effect, PartialRequest(id="order-1"), None)
    (span,) = spans.get_finished_spans()
    assert describe(spans) == [(f"wa.message.{kind}", TRACE_ID, PARENT)]
    assert span.start_time == 1_000_250_000_000
    assert dict(span.attributes or {}) == {"wa.account": "main", "wa.attempt": 1}


def test_a_failure_names_its_code(spans: InMemorySpanExporter) -> None:
    """And not its detail, in which a number may be."""
    error = Error("recipient_not_on_whatsapp", f"{PHONE} has no WhatsApp")
    effect = PublishStatus(id="a", status="failed", event_id_suffix="1", at_s=1.0, error=error)
    StatusRecords("wa.status").map_effect(PHONE, effect, PartialRequest(trace=TRACE), None)
    (span,) = spans.get_finished_spans()
    assert dict(span.attributes or {}) == {"wa.error": "recipient_not_on_whatsapp"}
