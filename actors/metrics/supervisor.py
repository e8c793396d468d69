"""What the Supervisor hands on: all hosts, what it did about them, and the servers."""

from collections.abc import Iterator

from actors.metrics import registry
from actors.metrics.emitter import Emitter, Sample
from actors.metrics.hosts import HostMetrics
from actors.metrics.servers import Servers, ServerState
from actors.supervision.liveness import LivenessMonitor
from actors.supervision.recovery import Recovery


class SupervisorMetrics:
    """Two duties: the servers are asked seldom, everything is handed on each second."""

    def __init__(self, emitter: Emitter, servers: Servers, monitor: LivenessMonitor, recovery: Recovery) -> None:
        self._emitter = emitter
        self._servers = servers
        self._monitor = monitor
        self._recovery = recovery
        self._hosts = HostMetrics()
        self._state: ServerState | None = None
        emitter.begin()

    async def emit(self) -> None:
        """Hand everything on as it is known now."""
        self._emitter.emit(self._samples())

    async def watch_servers(self) -> None:
        """Learn how the servers are."""
        self._state = await self._servers.state()

    def _samples(self) -> Iterator[Sample]:
        yield from self._hosts.samples(self._monitor.heartbeats, self._monitor.watched, self._monitor.answering)
        for why, count in self._monitor.replaced.items():
            yield Sample(registry.REPLACED, count, (why,))
        yield Sample(registry.RECOVERED, self._recovery.recovered)
        if self._state is not None:
            yield from self._state.samples()
