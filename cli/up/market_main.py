"""The market child of ``holdfast up``: runs Ray with the actors and the marketplace, and ends when Ray does."""

import os
import signal
import sys
import threading
import traceback

import structlog

from cli.up.watchdog import Watchdog
from config import ray_environment
from config.ports import MarketPorts
from config.settings import SettingsError, load

PORTS = "HOLDFAST_PORTS"
# An orderly stop takes 3 s. With a part of it gone Ray waits for half a minute: what is left, the parent ends.
_STOP_SECONDS = 8.0

log = structlog.get_logger()


def main() -> int:
    """Run one market until SIGTERM or until its parent is gone. Ends the process with 1 when Ray no longer answers."""
    try:
        settings = load()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    folder = ray_environment.runtime_folder(settings)
    ports = MarketPorts(int(os.environ[PORTS]))
    for name, value in ray_environment.ray_environment(settings, ports).items():
        if not name.startswith("RAY_") or name not in os.environ:  # an operator's own value for a Ray setting stands
            os.environ[name] = value
    from cli.up import ray_market  # noqa: PLC0415 - Ray reads its settings when it is imported

    stop = threading.Event()
    watchdog = Watchdog(on_parent_gone=stop.set)
    try:
        ray_market.start_ray(settings, folder, ports)
        # ray.init installed a handler of its own. Half-started, there is nothing to stop in order: Ray ends with us.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        if not watchdog.may_go_on():
            os._exit(1)
        ray_market.start_market(settings)
    except Exception as error:  # noqa: BLE001 - whatever it is, the operator is told
        traceback.print_exc()
        # The last line is what the operator reads, so nothing may come after it.
        sys.stderr.write(f"{ray_market.reason(error)}\n")
        sys.stderr.flush()
        os._exit(1)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.wait(1.0):
        if not ray_market.is_alive():
            log.error("Ray no longer answers")
            os._exit(1)  # an ordinary exit waits ten seconds for the part of Ray that is gone
        watchdog.beat()
    deadline = threading.Timer(_STOP_SECONDS, os._exit, (1,))
    deadline.daemon = True
    deadline.start()
    ray_market.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
