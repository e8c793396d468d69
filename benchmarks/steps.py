"""Which step of a request the samples of a profile are of: each counts for the innermost frame that is known.

Libraries that every step uses, such as asyncio, pymongo and bson, count for whoever called them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

# The first pattern that a frame's file matches names its step; frames are looked at from the innermost out.
STEPS: Mapping[str, re.Pattern[str]] = {
    step: re.compile(files)
    for step, files in {
        "log": r"config/logs|structlog",
        "sandbox": r"stripe/sandbox|sandbox_ledger|aiohttp",
        "Stripe's SDK": r"stripe/_|actors/stripe/",
        "journal": r"storage/journal",
        "documents": r"storage/documents|read_model/|runtime/replies|_write_lazily",
        "publishing": r"events/redis_stream|runtime/publisher|events/published|_publish",
        "reading events": r"holdfast/events|serve_app/events|web/live",
        "packing messages": r"cluster/serialization",
        "Ray's calls": r"ray/actor|ray/_private/|ray/_common/|ray/util/tracing|processes/(handles|on_ray)",
        "gateway": r"runtime/gateway|cluster/(client|members)",
        "decision": r"actors/domain|actors/tickets|charge_entity|runtime/turn",
        "mailbox and turn": r"actors/runtime|processes/base",
        "purchase": r"actors/payments",
        "session": r"security/authentication|serve_app/accounts",
        "body and schema": r"serve_app/schemas|http/request_body|http/idempotency",
        "answer": r"http/responses|starlette/responses",
        "HTTP server": r"uvicorn|ray/serve",
        "middleware and routes": r"starlette|fastapi|serve_app/(http|security|search|replica)",
        "handlers": r"serve_app/",
        "reads": r"actors/storage/(?!database|server)|batch_loader",
        "metrics and duties": r"actors/(metrics|supervision|mail|webhooks)|ray/util/metrics",
        "Redis client": r"redis/",
    }.items()
}
OTHERS = "asyncio, pymongo and others"
# Where the loop itself waits or dispatches, and no frame of Python runs.
_IDLE = ("Thread.run", "run_forever")
# FastAPI and pydantic make their models once.
_ONCE = ("TypeAdapter", "_find_and_load", "create_model_field")


def shares(stacks: Iterable[str]) -> dict[str, float]:
    """Return the share of each step in the event loop's samples, the largest first; `stacks` are py-spy's raw lines."""
    counted: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        is_of_loop = "AsyncIO" in frames[0] and not frames[-1].startswith(_IDLE)
        if is_of_loop and not any(once in frame for frame in frames for once in _ONCE):
            counted[step_of(frames)] += int(count)
    return {step: count / counted.total() for step, count in counted.most_common()}


def step_of(frames: list[str]) -> str:
    """Return the step that the innermost frame of a known file belongs to."""
    for frame in reversed(frames):
        for step, files in STEPS.items():
            if files.search(frame):
                return step
    return OTHERS
