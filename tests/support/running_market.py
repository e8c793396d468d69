"""For the folders that still import it from here."""

from benchmarks.support.running_market import HOLDFAST, RunningMarket, running_market

__all__ = ["HOLDFAST", "RunningMarket", "running_market"]
