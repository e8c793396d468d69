"""A program of this tree: `python -m tests.upgrades PROGRAM …`, see actor.py and trader.py."""

import importlib
import sys

from tests.upgrades import tomorrow

if __name__ == "__main__":
    tomorrow.become()
    importlib.import_module(f"tests.upgrades.{sys.argv[1]}").main(*sys.argv[2:])
