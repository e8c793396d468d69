"""What came of many seeds."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.simulation import Outcome


@dataclass
class Summary:
    """Sums over seeds; `elapsed` is the seconds of one core that they took."""

    seeds: int = 0
    steps: int = 0
    fewest_steps: int = 0
    commands: int = 0
    sold: int = 0
    simulated: float = 0.0
    elapsed: float = 0.0
    longest_settling: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    broken: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Adds one seed."""
        self.fewest_steps = min(outcome.steps, self.fewest_steps) if self.seeds else outcome.steps
        self.seeds += 1
        self.steps += outcome.steps
        self.commands += outcome.commands
        self.sold += outcome.sold
        self.simulated += outcome.simulated
        self.elapsed += outcome.elapsed
        self.longest_settling = max(self.longest_settling, outcome.settling)
        self.faults += outcome.faults
        self.told += outcome.told
        self.checks += outcome.checks
        if outcome.broken is not None:
            self.broken.append(outcome)

    def rows(self) -> list[tuple[str, str]]:
        """The figures, for people."""
        hours = self.simulated / 3600
        return [
            ("seeds", f"{self.seeds:,}"),
            ("seeds in which a rule was broken", f"{len(self.broken):,}"),
            ("steps", f"{self.steps:,}, at least {self.fewest_steps:,} a seed"),
            ("commands of people", f"{self.commands:,}"),
            ("orders that were bought", f"{self.sold:,}"),
            ("faults", f"{sum(self.faults.values()):,}"),
            ("checks", ", ".join(f"{count:,} {name}" for name, count in sorted(self.checks.items()))),
            (
                "simulated time",
                f"{hours:,.1f} h, {hours / max(self.elapsed, 1e-9) * 60:,.1f} h in a minute of one core",
            ),
            ("longest until all was settled", f"{self.longest_settling:,.0f} s, the holds' own time included"),
            ("processor time", f"{self.elapsed:,.0f} s"),
        ]

    def as_json(self) -> dict[str, Any]:
        """The figures, for programs."""
        return {
            "seeds": self.seeds,
            "broken": {outcome.seed: outcome.broken for outcome in self.broken},
            "steps": self.steps,
            "fewestSteps": self.fewest_steps,
            "commands": self.commands,
            "sold": self.sold,
            "simulatedHours": self.simulated / 3600,
            "processorSeconds": self.elapsed,
            "longestSettlingSeconds": self.longest_settling,
            "faults": dict(self.faults),
            "answers": dict(self.told),
            "checks": dict(self.checks),
        }
