"""Programs that start nodes, as tests run them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bson import ObjectId

from config import secret_file
from config.settings import SETTINGS_FILE

ROOT = Path(__file__).parents[2]


def own_database(url: str) -> str:
    return url.replace("/holdfast", f"/nodes{ObjectId()}")


def found_by(
    program: str, folder: Path, settings: Mapping[str, object], seconds: float, **environment: str
) -> dict[str, Any]:
    """What the program prints; its market has these settings."""
    token, file = folder / "ray.token", folder / "holdfast.env"
    secret_file.read_or_create(token)
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "HOLDFAST_"))}
    ended = subprocess.run(
        [sys.executable, "-m", program],
        env={**inherited, "RAY_AUTH_TOKEN_PATH": str(token), SETTINGS_FILE: str(file), **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    assert ended.returncode == 0, ended.stderr[-4_000:]
    return dict(json.loads(ended.stdout.splitlines()[-1]))
