"""Optional spans (https://opentelemetry.io/docs/specs/otel/trace/): a request, its messages, turns, commits, Stripe.

Off until `configure` or `use` was called: then `tracer` is None, and nothing but that is looked at. A span has names,
ids and numbers, nothing that people wrote and no text of an exception. Which requests have spans is decided where the
trace context begins: by the flag that a client sends, or by a share of those without one. Spans that cannot be sent
are dropped.
"""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from actors.runtime import trace
from config import logs

if TYPE_CHECKING:
    # Only where spans are on: 70 ms of processor time, which a TicketActor that starts again does not have.
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span, Tracer

T = TypeVar("T")
Kind = Literal["SERVER", "CONSUMER", "CLIENT", "INTERNAL"]
Attributes = Mapping[str, str | int | float]
_SAMPLED = 1

tracer: "Tracer | None" = None
# The id of a trace that begins here is that of its request.
_trace_id: ContextVar[int] = ContextVar("trace_id")


def configure(endpoint: str | None, ratio: float, service: str) -> None:
    """Send this process's spans to the collector there (OTLP over HTTP), from a thread of its own; None for no spans.

    Of the requests without a flag of their own that share has spans.
    """
    if endpoint is None or tracer is not None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - if it is on
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above

    use(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")), ratio, service)


def use(processor: "SpanProcessor", ratio: float, service: str) -> None:
    """Hand this process's spans to the processor."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - only if it is on
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415 - as above

    class Ids(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            return _trace_id.get()

        def is_trace_id_random(self) -> bool:
            return False  # a client may have named it

    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(ratio),
        resource=Resource.create({"service.name": service}),
        id_generator=Ids(),
    )
    provider.add_span_processor(processor)
    global tracer  # noqa: PLW0603 - one for the process
    tracer = provider.get_tracer("holdfast")


def begin_request(traceparent: str, *, is_new: bool) -> "Span | None":
    """Return the span of a request, None while spans are off. To be told the name and the outcome, and ended.

    Its trace context, sampled or not, is `traceparent_of` it.
    """
    if tracer is None:
        return None
    from opentelemetry.trace import SpanKind  # noqa: PLC0415 - only if it is on

    _trace_id.set(int(trace.request_of(traceparent), 16))
    return tracer.start_span("request", None if is_new else _context_of(traceparent), SpanKind.SERVER)


def begin(name: str, traceparent: str | None, kind: Kind, attributes: Attributes | None = None) -> "Span | None":
    """Return a span in this trace context, None unless it is sampled. To be ended."""
    if tracer is None or traceparent is None or not int(traceparent[-2:], 16) & _SAMPLED:
        return None
    from opentelemetry.trace import SpanKind  # noqa: PLC0415 - only if it is on

    return tracer.start_span(name, _context_of(traceparent), SpanKind[kind], attributes)


@contextmanager
def within(name: str, kind: Kind, attributes: Attributes | None = None) -> Iterator[None]:
    """Have what is done in here be a span of the current trace context, if that is sampled."""
    span = begin(name, trace.current.get(), kind, attributes)
    if span is None:
        yield
    else:
        with _current(span):
            yield


@contextmanager
def turn(messages: "Sequence[Span | None]", writer: str) -> Iterator[None]:
    """Have what is done in here be the span of a turn: a part of its first sampled message, linked to all of them.

    The messages are told how long they waited for it.
    """
    sampled = [span for span in messages if span is not None]
    if tracer is None or not sampled:
        yield
        return
    from opentelemetry.trace import Link, set_span_in_context  # noqa: PLC0415 - only if it is on

    now = time.time_ns()
    for span in sampled:
        # The SDK's spans know when they began; the interface does not say so.
        began: int = getattr(span, "start_time", now)
        span.set_attribute("holdfast.wait_ms", (now - began) / 1e6)
    links = [Link(span.get_span_context()) for span in sampled]
    attributes: Attributes = {"holdfast.writer": writer, "holdfast.messages": len(messages)}
    with _current(tracer.start_span("turn", set_span_in_context(sampled[0]), attributes=attributes, links=links)):
        yield


def traceparent_of(span: "Span") -> str:
    """Return the trace context of what is done within the span."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


async def handle_traced(message: Any, handle: Callable[[Any], Awaitable[T]]) -> T:  # noqa: ANN401 - any message
    """Handle the message itself, with its trace context as the current one; to be called in a task of its own."""
    traceparent, inner = trace.traceparent_of(message), trace.message_of(message)
    trace.current.set(traceparent)
    logs.bind(**trace.log_context_of(traceparent, inner))
    with within(type(inner).__name__, "CONSUMER"):
        return await handle(inner)


@contextmanager
def _current(span: "Span") -> Iterator[None]:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415 - only if it is on

    token = trace.current.set(traceparent_of(span))
    try:
        yield
    except BaseException as error:
        # Its text may be input.
        span.set_status(StatusCode.ERROR, type(error).__name__)
        raise
    finally:
        trace.current.reset(token)
        span.end()


def _context_of(traceparent: str) -> "Context":
    from opentelemetry.trace import (  # noqa: PLC0415 - only if it is on
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    trace_id, span_id, flags = int(traceparent[3:35], 16), int(traceparent[36:52], 16), int(traceparent[53:55], 16)
    return set_span_in_context(NonRecordingSpan(SpanContext(trace_id, span_id, True, TraceFlags(flags))))  # noqa: FBT003 - remote
