"""The spans of this process: they continue the trace of a request, whose context travels in the headers of records.

    POST /api/messages      the console has a request, up to Kafka's confirmation
    wa.send                 a sender gives the message to WhatsApp's page, and waits for the ack
    wa.message.<status>     a status event, at its own time: from `accepted` to `delivered` and `read`

Like a logger, the tracer belongs to the process; without WA_TRACES there is none, and each function returns at once. No
span has a number or a text: of an error, only its type. OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT, …)
say where spans go. A span that is lost, or comes twice after a crash, changes nothing: only the topics are exact.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

from streams.contract.headers import TRACEPARENT, TRACESTATE, TraceContext, make_trace_context
from streams.settings import LoggingSettings, SettingError

Kind = Literal["INTERNAL", "SERVER", "CONSUMER"]
_NANOSECONDS: Final = 1_000_000_000


class Span:
    """A span that is open. `context`: the headers for what follows from it."""

    def __init__(self, context: TraceContext, span: Any = None) -> None:
        self.context = context
        self._span = span

    def set(self, name: str, value: str | int | float) -> None:
        """Set an attribute."""
        if self._span is not None:
            self._span.set_attribute(name, value)


class _Tracer:
    """OpenTelemetry's tracer, with the headers of records instead of its contexts."""

    def __init__(self, provider: Any) -> None:
        self._tracer = provider.get_tracer("wa-streams")
        self._kinds: Any = importlib.import_module("opentelemetry.trace").SpanKind
        module: Any = importlib.import_module("opentelemetry.trace.propagation.tracecontext")
        self._propagator = module.TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, context: TraceContext, kind: Kind, attributes: Any) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name,
            context=self._read(context),
            kind=self._kinds[kind],
            attributes=attributes,
            record_exception=False,  # a message of the page, or a stack, may hold a number or a text
            set_status_on_exception=False,
        ) as span:
            carrier: dict[str, str] = {}
            self._propagator.inject(carrier)
            headers = (carrier.get(name, "").encode() or None for name in (TRACEPARENT, TRACESTATE))
            try:
                yield Span(make_trace_context(*headers), span)
            except Exception as error:
                span.set_attribute("error.type", type(error).__qualname__)
                raise

    def record(self, name: str, context: TraceContext, at_s: float, attributes: Any) -> None:
        at_ns = int(at_s * _NANOSECONDS)
        span = self._tracer.start_span(
            name, context=self._read(context), start_time=at_ns, attributes=attributes
        )
        span.end(end_time=at_ns)

    def _read(self, context: TraceContext) -> Any:
        carrier = {name: value.decode(errors="replace") for name, value in context}
        return self._propagator.extract(carrier)


_tracer: _Tracer | None = None


def set_up_tracing(settings: LoggingSettings, service: str) -> None:
    """Trace from now on, if WA_TRACES says so. `service`: what collectors call this process.

    Raises:
        SettingError: OpenTelemetry is not installed.
    """
    if not settings.traces:
        return
    try:
        sdk: Any = importlib.import_module("opentelemetry.sdk.trace")
        resources: Any = importlib.import_module("opentelemetry.sdk.resources")
        exporting: Any = importlib.import_module("opentelemetry.sdk.trace.export")
        otlp: Any = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError as error:
        raise SettingError(
            "WA_TRACES=true: needs OpenTelemetry; install wa-streams[otel]"
        ) from error
    provider = sdk.TracerProvider(resource=resources.Resource.create({"service.name": service}))
    provider.add_span_processor(exporting.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    install(provider)


def install(provider: Any) -> None:
    """Trace with this provider of OpenTelemetry; None: do not trace."""
    global _tracer
    _tracer = None if provider is None else _Tracer(provider)


@contextmanager
def span(
    name: str, context: TraceContext, kind: Kind = "INTERNAL", **attributes: str | int
) -> Iterator[Span]:
    """A span around what is done in the block. Without a tracer, its context is the one that was given."""
    if _tracer is None:
        yield Span(context)
        return
    with _tracer.span(name, context, kind, attributes) as open_span:
        yield open_span


def record(name: str, context: TraceContext, at_s: float, **attributes: str | int) -> None:
    """A span without a duration, for what happened at this time (epoch). Only in a trace that a request began."""
    if _tracer is not None and context:
        _tracer.record(name, context, at_s, attributes)
