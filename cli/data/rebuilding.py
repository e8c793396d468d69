"""``holdfast rebuild``: documents from the journal."""

from typing import Any

from actors.read_model.projections import PROJECTIONS
from actors.storage.database import connect, database_of
from actors.storage.rebuild import Rebuild, Rebuilt
from cli.data.market_database import market_database
from cli.data.progress import OnProgress
from config.settings import Settings

# Reading the whole journal, the embedded database may take its time for an answer.
PATIENCE_MS = 600_000


async def rebuild(settings: Settings, on_progress: OnProgress) -> Rebuilt:
    """Rebuild the documents of the market. Raises what `market_database` raises, and StoreUnavailableError."""
    with market_database(settings) as url:
        async with connect(url, patience_ms=PATIENCE_MS) as client:
            return await Rebuild(database_of(client)).run(on_progress)


def as_json(done: Rebuilt) -> dict[str, Any]:
    """Return the result for programs."""
    return {
        "commits": done.commits // done.readings,
        "commitsPerSecond": round(done.commits_per_second),
        "documents": {
            collection: {
                "checked": done.checked[collection],
                "written": done.written[collection],
                "removed": done.removed[collection],
            }
            for collection in PROJECTIONS
        },
        "leftOut": sorted(done.left_out),
    }


def lines_of(done: Rebuilt) -> list[str]:
    """Return the result for people."""
    documents = [
        f"{collection}: {done.checked[collection]:,} checked, {done.written[collection]:,} written, "
        f"{done.removed[collection]:,} removed"
        for collection in PROJECTIONS
    ]
    left_out = [f"{entity} was left as it is: see `holdfast journal show {entity}`" for entity in sorted(done.left_out)]
    commits = f"{done.commits // done.readings:,} commits, read at {done.commits_per_second:,.0f} a second"
    return [commits, *documents, *left_out]
