"""A request as the sandbox sees it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, taken apart. `method` is lower case; `path` has no query; `id` is what the answer calls it."""

    method: str
    path: str
    fields: Mapping[str, str]
    api_key: str | None
    idempotency_key: str | None
    id: str
