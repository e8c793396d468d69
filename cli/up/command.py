"""The command ``holdfast up``."""

from rich.console import Console

from cli.command_line import fail, load_settings
from cli.up import foreground
from cli.up.data_dir import DataFolderInUseError
from cli.up.embedded_servers import ServerError
from cli.up.start_checks import StartError
from config.ports import NoFreePortsError

_CANNOT_START = (StartError, DataFolderInUseError, NoFreePortsError, ServerError, OSError)


def up() -> None:
    """Start a market and keep it running until Ctrl-C."""
    settings = load_settings()
    try:
        foreground.run(settings, Console(highlight=False, soft_wrap=True))
    except _CANNOT_START as error:
        fail(str(error), exit_code=1)
