"""The actors of a market on nodes, as they are now and as they come and go."""

import asyncio
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil

from actors.cluster import names
from actors.cluster.heartbeat import ActorDirectory, Heartbeat
from actors.cluster.membership import all_names, of_settings
from actors.runtime.ports import HostUnreachableError
from config.settings import SETTINGS_FILE, Settings
from tests.support.eventually import eventually

PATIENCE_SECONDS = 60.0
AT_ONCE = 6


class Observed:
    """The market's actors as they are now."""

    def __init__(self, settings: Settings, directory: ActorDirectory) -> None:
        self.names = [*all_names(of_settings(settings)), names.SUPERVISOR]
        self.directory = directory
        self._namespace = names.namespace(settings)

    async def heartbeats(self) -> dict[str, Heartbeat]:
        """The sign of life of each actor that gives one within a second."""
        asked = (asyncio.wait_for(self.directory.ping(name), 1.0) for name in self.names)
        heard = await asyncio.gather(*asked, return_exceptions=True)
        strange = [one for one in heard if not isinstance(one, Heartbeat | HostUnreachableError | TimeoutError)]
        assert not strange, strange
        return {one.name: one for one in heard if isinstance(one, Heartbeat)}

    async def seconds_until(self, is_so: Callable[[dict[str, Heartbeat]], bool]) -> float:
        began = time.monotonic()

        async def holds() -> bool:
            return is_so(await self.heartbeats())

        await eventually(holds, PATIENCE_SECONDS)
        return time.monotonic() - began

    async def seconds_until_all_are_there(self) -> float:
        return await self.seconds_until(lambda heartbeats: len(heartbeats) == len(self.names))

    async def seconds_until_back(self, name: str) -> float:
        """End the actor so that Ray does not restart it; how long until there is another of its name."""
        before = (await self.heartbeats())[name].writer
        self.end_for_good(name)
        return await self.seconds_until(lambda now: name in now and now[name].writer != before)

    async def members_after_another_setting(self, name: str) -> tuple[int, list[str]]:
        """Change a setting in the file that all read, have Ray restart the actor; its membership, and who is there."""
        import ray  # noqa: PLC0415 - as above

        add_setting(f"TICKET_ACTORS={len(self.names)}")
        before = (await self.heartbeats())[name].writer
        ray.kill(ray.get_actor(name, self._namespace), no_restart=False)
        await self.seconds_until(lambda now: name in now and now[name].writer != before)
        await self.seconds_until(lambda now: name in now and now[name].membership > 0)
        existing = await self.directory.existing()
        return (await self.heartbeats())[name].membership, sorted(existing - {names.SUPERVISOR})

    def end_for_good(self, name: str) -> None:
        import ray  # noqa: PLC0415 - as above

        ray.kill(ray.get_actor(name, self._namespace), no_restart=True)

    async def create_at_once(self, name: str) -> None:
        """End it for good, and have many create it while the replicas do."""
        self.end_for_good(name)

        async def has_gone() -> bool:
            return name not in await self.heartbeats()

        await eventually(has_gone, PATIENCE_SECONDS)
        await asyncio.gather(*(self.directory.create(name) for _ in range(AT_ONCE)))
        await self.seconds_until_all_are_there()


def add_setting(line: str) -> None:
    with Path(os.environ[SETTINGS_FILE]).open("a") as file:
        file.write(f"{line}\n")


def processes_of_actors() -> Counter[str]:
    """How many processes of each class of actors there are on the nodes of this program."""
    found = Counter[str]()
    for process in psutil.Process().children(recursive=True):
        try:
            title = re.match(r"ray::(Supervisor|TicketActor|OrderActor|PaymentActor)\b", "".join(process.cmdline()[:1]))
        except psutil.Error:
            continue
        if title is not None:
            found[title[1]] += 1
    return found
