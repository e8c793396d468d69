"""``holdfast actors renew`` and ``holdfast reload``: a running market with the code and the settings of now."""

import asyncio
import logging

import typer

from actors.runtime.ports import HostUnreachableError, StoreUnavailableError
from actors.storage.schema import UnusableDataError
from cli.command_line import fail, load_settings
from cli.running_market import NotRunningError, attached, with_database
from config import redis_server
from config.redis_server import UnsuitableRedisError
from config.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The market's actors on the Ray cluster of this machine.")


@app.command()
def renew() -> None:
    """Renew all actors of a running market one by one, with the code and the settings of now."""
    _carry_out(are_replicas_renewed=False)


def reload() -> None:
    """Bring changed settings, such as a new key, to all actors and replicas of a running market.

    Requests wait meanwhile. Change the file of settings on all nodes first; variables of the environment stay what they
    were.
    """
    _carry_out(are_replicas_renewed=True)


def _carry_out(*, are_replicas_renewed: bool) -> None:
    settings = load_settings()
    try:
        if settings.redis_url is not None:
            redis_server.check(settings.redis_url)
        with attached(settings):
            _renew(with_database(settings), are_replicas_renewed=are_replicas_renewed)
    except (UnsuitableRedisError, NotRunningError, UnusableDataError) as error:
        fail(str(error))
    except HostUnreachableError as error:
        fail(f"{error}: see its log, then repeat this command")
    except StoreUnavailableError as error:
        fail(f"the database did not say who the actors are ({error}): repeat this command")


def _renew(settings: Settings, *, are_replicas_renewed: bool) -> None:
    from actors.processes import on_ray  # noqa: PLC0415 - Ray reads its settings when it is imported
    from serve_app import replicas  # noqa: PLC0415 - as above

    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # it would tell of each step in words of its own
    deployed = replicas.deployed() if are_replicas_renewed else {}
    asyncio.run(on_ray.renew(settings, typer.echo))
    if are_replicas_renewed:
        replicas.renew(settings, deployed, typer.echo)
