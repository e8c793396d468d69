"""No secret is in the repository, and what can be set is written down."""

import re
import subprocess
from pathlib import Path

from config.settings import Settings

ROOT = Path(__file__).parents[2]
# Keys of Stripe, private keys, tokens of forges and clouds; examples are made of words.
SECRETS = re.compile(
    r"sk_live_[0-9a-zA-Z]{16,}|rk_live_[0-9a-zA-Z]{16,}|whsec_[0-9a-zA-Z]{24,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|gh[pousr]_[0-9A-Za-z]{36}|AKIA[0-9A-Z]{16}|xox[baprs]-[0-9A-Za-z-]{10,}"
)


def secrets_in(text: str) -> list[str]:
    return SECRETS.findall(text)


def test_no_tracked_file_holds_a_secret() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    files = [ROOT / name for name in listed.splitlines()]
    assert len(files) > 100
    found = [path.name for path in files if path.is_file() and secrets_in(path.read_text(errors="ignore"))]
    assert found == []


def test_a_secret_would_be_found() -> None:
    assert secrets_in("STRIPE_KEY=sk_" + "live_" + "a1" * 12)


def test_the_example_of_settings_names_each_of_them() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = [line.partition("=")[0] for line in lines if line and not line.startswith("#")]
    assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)


def test_the_example_says_the_defaults() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    example = Settings.model_validate({name.lower(): value for name, value in given.items() if value})
    assert example == Settings()
