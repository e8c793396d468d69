"""Killing actors as a machine would: at once, without a word."""

import random

import psutil

from benchmarks.support.running_market import RunningMarket


def kill_one(market: RunningMarket, chance: random.Random, *actors: str) -> str | None:
    """Kill the process of one actor of these classes, and return its title; None while Ray starts another."""
    found = [process for actor in actors for process in market.actors(actor)]
    if not found:
        return None
    victim = chance.choice(found)
    try:
        title = " ".join(victim.cmdline()[:1])
        victim.kill()
    except psutil.NoSuchProcess:
        return None
    return title
