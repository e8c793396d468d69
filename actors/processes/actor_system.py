"""What actors run on: Ray, or a simulation."""

from typing import Protocol

from actors.cluster.client import ActorClient
from actors.cluster.heartbeat import ActorDirectory
from actors.metrics.emitter import Sink
from actors.processes.resources import Resources
from config.settings import Settings


class ActorSystem(Protocol):
    """What an actor reaches outside of itself, handed to it when it is created."""

    def new_id(self) -> str:
        """Something that nobody else is called."""

    def place(self) -> tuple[int, str, float]:
        """The process that this is, the id of its node, and when it started, in seconds since the epoch."""

    def settings(self) -> Settings:
        """The market's settings as they are now. Raises SettingsError."""

    def connect(self, settings: Settings) -> Resources:
        """The servers of the market."""

    def actors(self, settings: Settings, connections: Resources) -> ActorClient:
        """The way to the other actors."""

    def directory(self, settings: Settings) -> ActorDirectory:
        """All actors, for whoever starts and watches them."""

    def metrics(self, settings: Settings) -> Sink | None:
        """What exports this process's metrics, None where nobody asked for any."""

    def end_actor(self) -> None:
        """Ends this actor for good; never returns."""
