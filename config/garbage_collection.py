"""Python's garbage collector in a process that serves: it looks at what may have become garbage, and less often.

A twentieth of an actor's processor time went into walking, again and again, over what its modules brought in (measured
with perf). Only garbage in cycles waits for it: all other is freed at once.
"""

import gc
from functools import cache

# Objects made since the last look, and looks until those that outlived them are looked at as well. Python's own are
# 700, 10 and 10; a request makes some thousands.
THRESHOLDS = (20_000, 20, 20)


@cache
def look_less_often() -> None:
    """Leave out what is there now, for good, and look less often. To be called once everything is imported.

    Once only: an actor that starts again each second, while its database is away, would keep what each try left behind.
    """
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
