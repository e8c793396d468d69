"""The market's database for commands that need no running market: they start the embedded one if nobody has."""

from collections.abc import Iterator
from contextlib import contextmanager

from cli.running_market import NotRunningError, with_database
from cli.up import data_dir, process_tree
from cli.up.data_dir import DataFolderInUseError
from cli.up.embedded_servers import start_database
from config.settings import Settings

_PATIENCE_SECONDS = 8


@contextmanager
def market_database(settings: Settings, *, is_new: bool = False) -> Iterator[str]:
    """Yield the address of the database: that of MONGODB_URL, of the running market, or of DATA_DIR without a market.

    With `is_new` no market may run on DATA_DIR, and an embedded database is made if there is none. Raises
    NotRunningError when there is none, DataFolderInUseError, and embedded_servers.ServerError.
    """
    if settings.mongodb_url is not None:
        yield settings.mongodb_url
        return
    folder = settings.data_dir
    if not is_new and not (folder / "mongodb").is_dir():
        raise NotRunningError(f"there is no database in {folder}: set MONGODB_URL or DATA_DIR to where it is")
    try:
        with data_dir.locked(folder):
            # Of a command that was killed.
            left = data_dir.remembered(folder).get("database")
            process_tree.end([left] if left else [], _PATIENCE_SECONDS)
            server = start_database(settings)
            try:
                yield server.url
            finally:
                server.stop()
            return
    except DataFolderInUseError:
        if is_new:
            raise
    yield str(with_database(settings).mongodb_url)
