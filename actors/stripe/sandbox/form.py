"""The form fields of a request, read by name: `amount=5000&metadata[orderId]=…`."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from actors.stripe.sandbox.failures import RequestRefused, invalid

INTEGER = re.compile(r"-?[0-9]{1,18}")


def fields_of(encoded: str) -> dict[str, str]:
    """The fields of a form-encoded body or query."""
    return dict(parse_qsl(encoded, keep_blank_values=True))


class Form:
    """Hands out each field once; what nobody asked for is a parameter that Stripe does not know."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._left = dict(fields)

    def text(self, name: str) -> str | None:
        """A field, or None when it was not sent."""
        return self._left.pop(name, None)

    def required(self, name: str) -> str:
        """A field; refused when it is missing or empty."""
        value = self.text(name)
        if not value:
            raise RequestRefused(invalid(f"Missing required param: {name}.", code="parameter_missing", param=name))
        return value

    def integer(self, name: str) -> int | None:
        """A whole number, or None when it was not sent; refused when it is anything else."""
        value = self.text(name)
        if value is None:
            return None
        if not INTEGER.fullmatch(value):
            raise RequestRefused(invalid("Invalid integer", code="parameter_invalid_integer", param=name))
        return int(value)

    def required_integer(self, name: str) -> int:
        """A whole number; refused when it is missing or anything else."""
        value = self.integer(name)
        if value is None:
            raise RequestRefused(invalid(f"Missing required param: {name}.", code="parameter_missing", param=name))
        return value

    def group(self, name: str) -> dict[str, str]:
        """The fields `name[…]` by what stands between the outer brackets."""
        prefix = f"{name}["
        fields = [field for field in self._left if field.startswith(prefix) and field.endswith("]")]
        return {field.removeprefix(prefix).removesuffix("]"): self._left.pop(field) for field in fields}

    def refuse_the_rest(self) -> None:
        """Refuse fields that have not been asked for."""
        if self._left:
            name = min(self._left)
            raise RequestRefused(invalid("Received unknown parameter", code="parameter_unknown", param=name))
