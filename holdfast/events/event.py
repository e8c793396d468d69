"""An event as it is published: the attributes of CloudEvents 1.0 and its data (https://cloudevents.io).

Extensions of ours: `entityversion` counts an entity's events from 1, `precededby` is the version of the published event
before this one (absent for the first one), `partitionkey` is what its partition follows from, and `epoch` names the
life of the stream in which it was published.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

SPEC_VERSION = "1.0"
CONTENT_TYPE = "application/json"
TYPE_PREFIX = "com.holdfast."
# The attributes that an event can have.
FIELDS = (
    "id", "source", "specversion", "type", "subject", "time", "entityversion", "precededby", "partitionkey", "epoch",
    "traceparent",
)  # fmt: skip


class MalformedEventError(ValueError):
    """A stream has an entry that is no event of ours."""


@dataclass(frozen=True, slots=True)
class Event:
    """One published event.

    `id` is the same however often it is published: `<entity>:<version>`. `entity` is the CloudEvents subject, such as
    `ticket:<id>`. `time_ms` is in milliseconds since the epoch of Unix. `data` is JSON.
    """

    id: str
    source: str
    type: str
    entity: str
    version: int
    time_ms: int
    partition_key: str
    data: bytes
    preceded_by: int | None = None
    epoch: str | None = None
    traceparent: str | None = None

    @property
    def subject(self) -> str:
        """What is subscribed to, such as `order.created`: the type without its prefix and version."""
        return self.type.removeprefix(TYPE_PREFIX).rpartition(".")[0]

    def in_epoch(self, epoch: str) -> "Event":
        """Return the event as it is published in this epoch."""
        return replace(self, epoch=epoch)

    def attributes(self) -> dict[str, str]:
        """Return the CloudEvents attributes that are set."""
        fields = self.fields()[:-2]
        return {str(name): str(value) for name, value in zip(fields[::2], fields[1::2], strict=True)}

    def fields(self, epoch: str | None = None) -> list[str | bytes]:
        """Return the stream entry of the event, in this epoch or its own: names and values by turns, the data last."""
        epoch = epoch or self.epoch
        entry: list[str | bytes] = [
            "id", self.id, "source", self.source, "specversion", SPEC_VERSION, "type", self.type,
            "subject", self.entity, "time", rfc3339(self.time_ms), "entityversion", str(self.version),
            "partitionkey", self.partition_key,
        ]  # fmt: skip
        if self.preceded_by is not None:
            entry += ("precededby", str(self.preceded_by))
        if epoch is not None:
            entry += ("epoch", epoch)
        if self.traceparent is not None:
            entry += ("traceparent", self.traceparent)
        entry += ("data", self.data)
        return entry

    def structured(self) -> dict[str, Any]:
        """Return the event in CloudEvents' JSON format (`application/cloudevents+json`)."""
        return {**self.attributes(), "datacontenttype": CONTENT_TYPE, "data": orjson.loads(self.data)}

    @classmethod
    def of_fields(cls, entry: Mapping[bytes, bytes]) -> "Event":
        """Return the event of a stream entry; attributes that are not known are passed over.

        Raises MalformedEventError.
        """
        try:
            text = {name.decode(): value.decode() for name, value in entry.items() if name != b"data"}
            return cls(
                id=text["id"],
                source=text["source"],
                type=text["type"],
                entity=text["subject"],
                version=int(text["entityversion"]),
                time_ms=milliseconds(text["time"]),
                partition_key=text["partitionkey"],
                data=entry[b"data"],
                preceded_by=int(text["precededby"]) if "precededby" in text else None,
                epoch=text.get("epoch"),
                traceparent=text.get("traceparent"),
            )
        except (LookupError, ValueError) as error:
            raise MalformedEventError(type(error).__name__) from error


def rfc3339(time_ms: int) -> str:
    """Return an instant as CloudEvents writes it, in UTC with milliseconds."""
    seconds, milli = divmod(time_ms, 1000)
    return f"{_second(seconds)}.{milli:03d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def milliseconds(time: str) -> int:
    """Return the milliseconds since the epoch of Unix of an RFC 3339 instant. Raises ValueError."""
    return round(datetime.fromisoformat(time).timestamp() * 1000)
