"""What was asked for on the command line, made into a plan."""

import re
from dataclasses import dataclass

from cli.load.conditions import Condition, conditions
from cli.load.generator.connection import Target
from cli.load.generator.generator import Model
from cli.load.generator.timetable import Stage
from cli.load.scenarios import SCENARIOS

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|)")
LONGEST_SECONDS = 4 * 3600.0
HIGHEST_RATE = 50_000.0


class PlanError(Exception):
    """The options do not go together; the message says which."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options as they were given."""

    scenario: str
    target: str
    rate: float | None
    users: int | None
    steps: str
    arrivals: str
    think: str
    ramp: str
    duration: str
    stop_if: str
    generators: int
    connections: int
    buyers: int
    tickets: int | None
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A load that can be made."""

    scenario: str
    target: Target
    model: Model
    stop_if: tuple[Condition, ...]
    generators: int
    connections: int
    buyers: int
    tickets: int

    @property
    def model_in_words(self) -> str:
        """The model, named for the output."""
        model, ramp = self.model, self.model.ramp_seconds
        ends = f"for {model.seconds - ramp:g} s after a ramp of {ramp:g} s"
        if model.users is not None:
            return f"closed: {model.users} users who think for {model.think_seconds:g} s on average, {ends}"
        rates = " then ".join(f"{stage.last_rate:g}" for stage in model.stages if stage.is_measured)
        process = "Poisson" if model.is_poisson else "constant"
        return f"open: {rates} arrivals a second ({process}, whatever the answers are), {ends}"


def plan_of(options: Options) -> Plan:
    """Return the plan. Raises PlanError."""
    scenario = SCENARIOS[options.scenario]
    tickets = scenario.tickets if options.tickets is None else options.tickets
    # A generator has people of its own, and tickets too where they are not shared.
    if options.buyers < options.generators:
        raise PlanError(f"--buyers must be {options.generators} at least, one for each generator")
    if options.connections < options.generators:
        raise PlanError(f"--connections must be {options.generators} at least, one for each generator")
    if scenario.tickets and tickets < (1 if scenario.shares_tickets else options.generators):
        raise PlanError("--tickets must be as many as there are generators at least")
    try:
        return Plan(
            options.scenario,
            Target.of(options.target),
            _model(options),
            conditions(options.stop_if),
            options.generators,
            options.connections,
            options.buyers,
            tickets,
        )
    except ValueError as error:
        raise PlanError(str(error)) from None


def seconds(text: str, option: str) -> float:
    """Return the seconds of a duration such as 30s, 2m or 500ms. Raises PlanError."""
    match = _DURATION.fullmatch(text)
    found = float(match[1]) * _UNITS[match[2]] if match else -1.0
    if not 0 <= found <= LONGEST_SECONDS:
        raise PlanError(f"{option} must be a duration such as 30s, 2m or 1h, at most {LONGEST_SECONDS / 3600:g}h")
    return found


def _model(options: Options) -> Model:
    given = [name for name in ("rate", "users", "steps") if getattr(options, name)]
    if len(given) != 1:
        raise PlanError("give one of --rate, --steps (open model) and --users (closed model)")
    ramp, duration = seconds(options.ramp, "--ramp"), seconds(options.duration, "--duration")
    if not duration:
        raise PlanError("--duration must be more than nothing")
    if options.users is not None:
        closed = Stage("measured", duration, 0.0, 0.0)
        stages = (Stage("ramp", ramp, 0.0, 0.0, is_measured=False), closed) if ramp else (closed,)
        return Model(stages, options.seed, options.users, seconds(options.think, "--think"))
    rates = _rates(options.steps or f"{options.rate}")
    steps = tuple(Stage(f"{rate:g}/s", duration / len(rates), rate, rate) for rate in rates)
    before = (Stage("ramp", ramp, 0.0, rates[0], is_measured=False),) if ramp else ()
    return Model((*before, *steps), options.seed, is_poisson=options.arrivals == "poisson")


def _rates(text: str) -> list[float]:
    try:
        rates = [float(each) for each in text.split(",")]
    except ValueError:
        rates = []
    if not rates or not all(0 < rate <= HIGHEST_RATE for rate in rates):
        limit = f"up to {HIGHEST_RATE:,.0f}"
        raise PlanError(f"--rate must be a number of visits a second, {limit}, --steps several such as 200,400,800")
    return rates
