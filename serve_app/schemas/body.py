"""What all request bodies have in common, and how pydantic's findings become our sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from actors.domain.instants import Instant
from serve_app.http.errors import RequestValidationError


@dataclass(frozen=True, slots=True)
class Rules:
    """What the shape of a request depends on besides the request: the time, the currency and the password rule.

    `resale_cap` is the most that a ticket may cost in hundredths of a percent of its face value, None for any price.
    """

    now: Instant
    currency: str
    password_min_length: int
    resale_cap: int | None = None


class Body(BaseModel):
    """A request body.

    A field that we do not know is refused: a client that misspells `expectedPrice` would otherwise buy at any price.
    The answer lists the fields that exist; the name that was sent is input and is not repeated.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    # Names that people are known to send, with what to do instead.
    misplaced: ClassVar[Mapping[str, str]] = {}
    # Optional fields that bodies with an Idempotency-Key had in the first release. No other one is to be added.
    of_first_release: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def of(cls, value: object, rules: Rules) -> Self:
        """Return the parsed body. Raises RequestValidationError with all wrong fields at once."""
        try:
            return cls.model_validate(value, context=rules)
        except ValidationError as error:
            raise RequestValidationError(_wrong_fields(cls, error)) from None


class Query(BaseModel):
    """The parameters behind the question mark. An empty one counts as absent, an unknown one is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @classmethod
    def of(cls, parameters: Mapping[str, str], rules: Rules) -> Self:
        """Return the parsed parameters. Raises RequestValidationError with all wrong parameters at once."""
        try:
            return cls.model_validate({name: value for name, value in parameters.items() if value}, context=rules)
        except ValidationError as error:
            raise RequestValidationError(_wrong_fields(cls, error)) from None

    def known_parameters(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return those of the parameters that are known, for the link to the next page."""
        return {name: parameters[name] for name in names_of(type(self)).values() if parameters.get(name)}


def names_of(model: type[BaseModel]) -> dict[str, str]:
    """Return the names of the model's fields in JSON by their names in Python."""
    return {name: field.alias or name for name, field in model.model_fields.items()}


def _wrong_fields(model: type[BaseModel], error: ValidationError) -> dict[str, str]:
    wrong: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_input=False):
        field, rule = _rule(model, detail)
        wrong.setdefault(field, rule)
    return wrong


def _rule(model: type[BaseModel], detail: ErrorDetails) -> tuple[str, str]:
    """Return the wrong field's name, empty for the body as a whole, and what it must be."""
    context = detail.get("ctx", {})
    field = str(context.get("field") or (detail["loc"][0] if detail["loc"] else ""))
    match detail["type"]:
        case "extra_forbidden" if issubclass(model, Body) and field in model.misplaced:
            rule = model.misplaced[field]
        case "extra_forbidden":
            field, rule = "", f"This request takes no other fields than {', '.join(names_of(model).values())}."
        case "missing":
            rule = "is required"
        case "string_type":
            rule = "must be a string"
        case "literal_error":
            rule = f"must be {str(context['expected']).replace(chr(39), '')}"
        case "value_error" | "rule":
            rule = str(context.get("error", detail["msg"]))
        case _:
            rule = "is not valid" if field else "The body must be a JSON object."
    return field, rule
