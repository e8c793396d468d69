"""Writes the catalogue down: `docs/asyncapi.json`, and the tables of `docs/events.md`.

python -m holdfast.events.document docs
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from pydantic.json_schema import GenerateJsonSchema

from holdfast.events.catalogue import BY_TYPE, Data, EventType
from holdfast.events.event import CONTENT_TYPE, SPEC_VERSION, TYPE_PREFIX
from holdfast.events.partitions import PARTITIONS, stream_key

# Changes when consumers have to: new events and new fields with a default leave it as it is.
API_VERSION = "1.0.0"
BEGIN, END = "<!-- begin: made by `make events` -->\n", "<!-- end -->\n"
DRAFT = "http://json-schema.org/draft-07/schema#"
_NUMBER = {"type": "string", "pattern": "^[1-9][0-9]*$"}
ATTRIBUTES: Mapping[str, Mapping[str, Any]] = {
    "id": {"type": "string", "description": "`<entity>:<version>`, the same however often the event is published."},
    "source": {"type": "string", "format": "uri-reference", "description": "The market."},
    "specversion": {"type": "string", "const": SPEC_VERSION},
    "type": {"type": "string", "description": "What happened, with the version of its data."},
    "subject": {"type": "string", "description": "The entity that it happened to, such as `ticket:<id>`."},
    "time": {"type": "string", "format": "date-time", "description": "When it was committed, in UTC."},
    "entityversion": {**_NUMBER, "description": "The event's number among those of its entity, from 1."},
    "precededby": {
        **_NUMBER,
        "description": "The number of the entity's published event before this one; absent for the first one.",
    },
    "partitionkey": {"type": "string", "description": "What the partition follows from: a ticket's id, or a user's."},
    "epoch": {"type": "string", "description": "The life of the stream: another one means that Redis lost events."},
    "traceparent": {
        "type": "string",
        "description": "The W3C trace context of the request that caused the event; absent for what time alone caused.",
    },
}
OPTIONAL = frozenset({"precededby", "epoch", "traceparent"})


class _Schema(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - pydantic's signature
        return False


def models() -> Sequence[type[Data]]:
    """Return the models of the catalogue's data, each once."""
    return tuple(dict.fromkeys(each.data for each in BY_TYPE.values()))


def schema(model: type[Data]) -> dict[str, Any]:
    """Return the JSON schema of an event's data."""
    return model.model_json_schema(schema_generator=_Schema)


def asyncapi() -> bytes:
    """Return the description of the bus in AsyncAPI 3.0.0, as JSON."""
    schemas: dict[str, Any] = {model.__name__: schema(model) for model in models()}
    required = [name for name in ATTRIBUTES if name not in OPTIONAL]
    schemas["Attributes"] = {
        "$schema": DRAFT,
        "description": "The attributes of CloudEvents 1.0: fields of the stream entry, beside its field `data`.",
        "type": "object",
        "properties": ATTRIBUTES,
        "required": required,
    }
    described = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Holdfast events",
            "version": API_VERSION,
            "description": "What happens on a market, published at least once. See events.md.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            "events": {
                "address": "holdfast:events:{partition}",
                "description": "Redis streams. The braces of the partition are part of the key: a cluster's hash tag.",
                "parameters": {"partition": {"enum": [_partition(number) for number in range(PARTITIONS)]}},
                "messages": {_name(each): _reference("messages", _name(each)) for each in BY_TYPE.values()},
            }
        },
        "operations": {
            _name(each): {
                "action": "send",
                "summary": each.means,
                "channel": {"$ref": "#/channels/events"},
                "messages": [{"$ref": f"#/channels/events/messages/{_name(each)}"}],
            }
            for each in BY_TYPE.values()
        },
        "components": {
            "messages": {_name(each): _message(each) for each in BY_TYPE.values()},
            "schemas": schemas,
        },
    }
    return orjson.dumps(described, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def tables() -> str:
    """Return the catalogue as tables of Markdown."""
    lines = ["| subject | version | what happened | data |", "|---|---|---|---|"]
    lines += [
        f"| `{each.subject}` | {each.version} | {each.means} | `{each.data.__name__}` |" for each in BY_TYPE.values()
    ]
    lines += ["", "| data | fields |", "|---|---|"]
    lines += [f"| `{model.__name__}` | {_fields(model)} |" for model in models()]
    return "\n".join(lines) + "\n"


def with_tables(text: str) -> str:
    """Return the text of `docs/events.md` with the tables of now. Raises ValueError if it has no place for them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"there is no place between {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def write(folder: Path) -> None:
    """Write both files into the folder."""
    (folder / "asyncapi.json").write_bytes(asyncapi())
    events = folder / "events.md"
    events.write_text(with_tables(events.read_text()))


def _partition(number: int) -> str:
    return stream_key(number).rpartition(":")[2]


def _name(each: EventType) -> str:
    return each.type.removeprefix(TYPE_PREFIX)


def _reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _message(each: EventType) -> dict[str, Any]:
    return {
        "name": each.type,
        "title": each.subject,
        "summary": each.means,
        "headers": {
            "allOf": [_reference("schemas", "Attributes")],
            "type": "object",
            "properties": {"type": {"const": each.type}},
        },
        "payload": _reference("schemas", each.data.__name__),
    }


def _fields(model: type[Data]) -> str:
    described = schema(model)
    required = described["required"]
    return ", ".join(
        f"`{name}{'' if name in required else '?'}` {_type(field)}" for name, field in described["properties"].items()
    )


def _type(field: Mapping[str, Any]) -> str:
    (value,) = [one for one in field.get("anyOf", [field]) if one["type"] != "null"]
    return " or ".join(f"`{each}`" for each in value.get("enum", ())) or str(value.get("format", value["type"]))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
