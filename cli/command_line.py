"""What every command does: read the settings, and end with one line on standard error that says what is wrong."""

import logging
import sys
from typing import NoReturn

import structlog
import typer

from config import settings as configuration


def load_settings() -> configuration.Settings:
    """Return the settings, or end the command with 2 if one is wrong."""
    try:
        return configuration.load()
    except configuration.SettingsError as error:
        fail(str(error), exit_code=2)


def fail(message: str, exit_code: int = 1) -> NoReturn:
    """End the command: 1 when something is not as it should be, 2 when the command was called in a wrong way."""
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(exit_code)


def silence_logs() -> None:
    """Keep the warnings of the market's code from the output: a command that fails says why itself."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
