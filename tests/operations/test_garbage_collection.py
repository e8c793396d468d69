"""What a process that serves does about Python's garbage collector."""

import subprocess
import sys

TWICE = """
import gc
from config import garbage_collection
from config.garbage_collection import look_less_often

look_less_often()
left_out = gc.get_freeze_count()
assert left_out > 1_000, left_out
assert gc.get_threshold() == garbage_collection.THRESHOLDS
made = [[] for _ in range(1_000)]
look_less_often()
assert gc.get_freeze_count() <= left_out, "what was made since is left out as well"
"""


def test_the_collector_leaves_out_what_was_imported_and_nothing_that_was_made_later() -> None:
    subprocess.run([sys.executable, "-c", TWICE], check=True)
