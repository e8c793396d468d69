"""The live feed as an application of its own, as config/serve.yaml deploys it."""

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from bson import ObjectId

from benchmarks.support.running_market import running_market

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

# Ray reads its settings when it is imported.
DEPLOY = """
from cli.status import attached
from config.settings import load

settings = load()
with attached(settings):
    from ray import serve

    from serve_app.app import build_live

    serve.run(build_live(settings.model_copy(update={"live_streams": None})), name="live", route_prefix="/live")
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
