"""Which actors share the ids of a market, as a fact in the journal: every change is one version of one entity."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names of the actors of each kind, and the ids of the tickets that have an actor of their own."""

    tickets: tuple[str, ...]
    orders: tuple[str, ...]
    payments: tuple[str, ...]
    pinned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MembershipChanged:
    """From now on these actors share the ids.

    `previous` are those that did before, the newest last, of which some may still have a commit under way; the
    Supervisor changes the membership once more, to none, when that cannot be any more. `by` is who changed it, and
    `reason` what they asked for.
    """

    hosts: Hosts
    previous: tuple[Hosts, ...]
    by: str
    reason: str
