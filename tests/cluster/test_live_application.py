"""The live feed as an application of its own, as config/serve.yaml deploys it."""

import asyncio
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from bson import ObjectId

from benchmarks.support.running_market import running_market
from benchmarks.support.session_cookies import cookie_for

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.long]

# Serve would wait for ten more, and HAProxy for five more.
MOST_SECONDS = 5.0
# Ray reads its settings when it is imported.
DEPLOY = """
from cli.running_market import attached
from config.settings import load

settings = load()
with attached(settings):
    from ray import serve

    from serve_app.app import build_live

    serve.run(build_live(settings.model_copy(update={"live_streams": None})), name="live", route_prefix="/live")
"""

END = """
from cli.running_market import attached
from config.settings import load

with attached(load()):
    from ray import serve

    print("now", flush=True)
    serve.delete("holdfast")
"""


async def test_streams_are_served_by_the_live_application_and_pages_by_the_marketplace(
    mongodb_url: str, redis_url: str, tmp_path: Path
) -> None:
    own = mongodb_url.replace("/holdfast", f"/live{ObjectId()}")
    # The marketplace's replica has room for one stream: others can only come from the live application.
    with running_market(tmp_path, mongodb_url=own, redis_url=redis_url, live_streams=1) as market:
        deploy = [sys.executable, "-c", DEPLOY]
        await asyncio.to_thread(subprocess.run, deploy, env=market.environment, cwd=market.folder, check=True)
        async with httpx.AsyncClient(base_url=market.url, timeout=30) as http, AsyncExitStack() as streams:
            assert (await http.get("/")).status_code == 200
            for _ in range(3):
                path = f"/live?view=cards&tickets={ObjectId()}.1"
                response = await streams.enter_async_context(http.stream("GET", path))
                assert response.status_code == 200
                assert response.headers["content-type"].startswith("text/event-stream")
            # The marketplace's replica has one of a program, which is not to keep it from ending.
            cookies = {"Cookie": cookie_for(market.key)[1]}
            program = await streams.enter_async_context(http.stream("GET", "/api/events", headers=cookies))
            assert program.status_code == 200
            (replica,) = market.actors("ServeReplica:holdfast:Api")
            ending = await asyncio.create_subprocess_exec(
                sys.executable, "-c", END, env=market.environment, cwd=market.folder, stdout=subprocess.PIPE
            )
            assert ending.stdout is not None
            assert await ending.stdout.readline() == b"now\n"
            began = time.monotonic()
            await asyncio.to_thread(replica.wait, 30)
            assert time.monotonic() - began < MOST_SECONDS
            assert b"retry: " in await program.aread(), "it ended in order"
            assert await ending.wait() == 0
