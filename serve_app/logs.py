"""Logs as JSON lines on standard error: one event with its facts; never a body, a cookie or an address of a person."""

import logging
import sys

import structlog


def configure() -> None:
    """Set logging up for this process. May be called again."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
