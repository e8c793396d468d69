"""The Dockerfile as the builder reads it, and what it would be sent."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from docker.utils.build import exclude_paths


@dataclass
class Stage:
    """What follows one FROM."""

    image: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def of(self, name: str) -> list[str]:
        """Return the arguments of all instructions of this name."""
        return [arguments for each, arguments in self.instructions if each == name]

    @property
    def environment(self) -> dict[str, str]:
        """What every process of a container has."""
        return dict(word.split("=", 1) for each in self.of("ENV") for word in shlex.split(each))


def read(text: str) -> tuple[list[str], list[Stage]]:
    """Return the arguments that stand before the first stage, and all stages."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    before, stages = [], []
    for line in re.sub(r"\\\n", " ", lines).splitlines():
        name, _, arguments = line.strip().partition(" ")
        if name == "FROM":
            stages.append(Stage(arguments.split()[0]))
        elif name and stages:
            stages[-1].instructions.append((name, arguments.strip()))
        elif name:
            before.append(arguments)
    return before, stages


def context(folder: Path) -> set[str]:
    """Return the files that COPY finds, by the rules of .dockerignore."""
    lines = (folder / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    sent = {each for each in exclude_paths(str(folder), patterns) if (folder / each).is_file()}
    return sent - {"Dockerfile", ".dockerignore"}  # the builder itself needs them
