"""What is wrong with settings, in words for the operator. No line repeats a value: it may be a secret."""

from urllib.parse import parse_qsl, urlsplit

from pydantic import ValidationError

NEEDED_IN_PRODUCTION = {
    "jwt_key": "JWT_KEY is missing: set it to a random secret, for example the output of `openssl rand -hex 32`",
    "stripe_key": "STRIPE_KEY is missing: set it to the secret key of your Stripe account (the sandbox is for tests)",
    "mongodb_url": "MONGODB_URL is missing: set it to your MongoDB (the embedded database is for development)",
    "redis_url": "REDIS_URL is missing: set it to your Redis (the embedded one is for development)",
    "smtp_url": "SMTP_URL is missing: set it to your mail server (without it mails are files, and nobody gets any)",
}

_STRIPE = "api.stripe.com"
# What the journal relies on (docs/architecture.md), by the lower-case name of the option: what may be said of it.
_MONGODB_OPTIONS = {
    "readpreference": {"primary"},
    "readconcernlevel": {"majority", "linearizable", "snapshot"},
    "w": {"majority"},
    "journal": {"true"},
    "j": {"true"},
}

_IN_WORDS = {
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be on or off",
    "decimal_parsing": "must be a number",
    "decimal_max_places": "must have at most two decimals",
}


def production(  # noqa: PLR0913 - what it looks at
    *,
    missing: list[str],
    rate_limits: bool,
    webhook_local_receivers: bool,
    public_url: str,
    stripe_key: str,
    stripe_api_base: str,
    mongodb_url: str,
) -> list[str]:
    """Return one line for each thing that production refuses, given the names of the settings that are missing."""
    lines = [NEEDED_IN_PRODUCTION[name] for name in missing]
    if not rate_limits:
        lines.append("RATE_LIMITS=off is refused in production: remove it")
    if webhook_local_receivers:
        lines.append("WEBHOOK_LOCAL_RECEIVERS=on is refused in production: anybody could reach your network; remove it")
    if not public_url.startswith("https://"):
        lines.append("PUBLIC_URL must start with https:// in production: set it to the address that buyers see")
    if stripe_key.startswith(("sk_test_", "rk_test_")):
        lines.append("STRIPE_KEY is a key of test mode, whose cards cost nothing: set it to a live one in production")
    if stripe_api_base and (urlsplit(stripe_api_base).scheme, urlsplit(stripe_api_base).netloc) != ("https", _STRIPE):
        lines.append("STRIPE_API_BASE is not Stripe's address, and would get the key: remove it in production")
    for name, value in parse_qsl(urlsplit(mongodb_url).query):
        if value.lower() not in _MONGODB_OPTIONS.get(name.lower(), {value.lower()}):
            lines.append(f"MONGODB_URL weakens what the market relies on: remove {name} from it")
    return lines


def ports(http_port: int, dashboard_port: int) -> list[str]:
    """Return one line when the marketplace and the dashboard were given the same port."""
    if http_port == dashboard_port:
        return ["HTTP_PORT and DASHBOARD_PORT are the same: set one of them to another port"]
    return []


def explain(error: ValidationError) -> list[str]:
    """Return one line per mistake, led by the name of the environment variable."""
    lines: list[str] = []
    for mistake in error.errors(include_url=False, include_input=False):
        if mistake["type"] == "default_factory_not_called":
            continue  # the default of PUBLIC_URL follows from HTTP_PORT: a mistake there has a line of its own
        reason = mistake.get("ctx", {}).get("error")
        message = str(reason) if reason else _IN_WORDS.get(mistake["type"], mistake["msg"])
        name = "".join(f"{str(place).upper()} " for place in mistake["loc"][:1])
        lines += [name + line.replace("Input should", "must") for line in message.split("\n")]
    return lines
