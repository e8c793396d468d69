"""The ``holdfast`` command: what there is, and where. Its modules are imported when a command is called."""

import typer

from cli.lazy_commands import lazy_group

# Where each command or group is, and the first line of its help, with which it is listed.
COMMANDS = {
    "up": ("cli.up.command:up", "Start a market and keep it running until Ctrl-C."),
    "down": ("cli.down:down", "Stop the market on DATA_DIR, and what is left of one that was killed."),
    "check-history": (
        "cli.history.command:check_history",
        "Check that what people were told can be explained by some order of their requests (linearizability).",
    ),
    "version": ("cli.version:version", "Print the installed version."),
    "verify": (
        "cli.verify:verify",
        "Compare the orders with what Stripe has, to the cent. Exits with 1 when a rule does not hold.",
    ),
    "seed": (
        "cli.seed.command:seed",
        "Fill the running market with plausible tickets, people and sales, to try things out.",
    ),
    "status": (
        "cli.status.command:status",
        "Show how the market is now: actors, replicas, servers, event consumers, duties, purchases that wait.",
    ),
    "top": (
        "cli.top.command:top",
        "Show the market as it is now, once a second, until q or Ctrl-C. Without a terminal, once.",
    ),
    "scale": (
        "cli.members.command:scale",
        "Have more or fewer actors and API replicas of a running market, without a failed request.",
    ),
    "pin": (
        "cli.members.command:pin",
        "Give a ticket that many want an actor of its own, so that others do not wait behind it.",
    ),
    "unpin": ("cli.members.command:unpin", "Have a ticket live in a shared actor again."),
    "drain": (
        "cli.drain:drain",
        "Have all actors and replicas leave a node, without a failed request. Ray ends an empty node by itself.",
    ),
    "reload": (
        "cli.renewal:reload",
        "Bring changed settings, such as a new key, to all actors and replicas of a running market.",
    ),
    "backup": (
        "cli.data.command:backup",
        "Copy the journal and what cannot be made of it into a new folder, also while the market runs.",
    ),
    "restore": (
        "cli.data.command:restore",
        "Fill an empty database from a backup; may be repeated if it was interrupted.",
    ),
    "rebuild": (
        "cli.data.command:rebuild",
        "Make tickets, orders and charges anew from the journal, also while the market runs; may be repeated.",
    ),
    "archive": (
        "cli.data.command:archive",
        "Move what old commits say into files, and leave their keys in the journal; may be repeated if interrupted.",
    ),
    "migrate": (
        "cli.data.command:migrate",
        "Bring the database up to this release: indexes and stored data; may be repeated, and run beside a market.",
    ),
    "doctor": (
        "cli.doctor.command:doctor",
        "Look for what would trouble a market here, and say what to do. Exits with 1 when there is a problem.",
    ),
    "admin": ("cli.admin:app", "Roles of administrators, and what is to be paid by hand."),
    "actors": ("cli.renewal:app", "The market's actors on the Ray cluster of this machine."),
    "journal": ("cli.journal.command:app", "What was committed: as it happens, of one ticket or user, and lost parts."),
    "events": ("cli.events.command:app", "The groups that read the event stream, and what they could not handle."),
    "load": ("cli.load.command:app", "Load on a running market: measured, or to look for wrong answers."),
}

app = typer.Typer(cls=lazy_group(COMMANDS), no_args_is_help=True)


@app.callback()
def holdfast() -> None:
    """Holdfast, a marketplace for tickets to live events."""


if __name__ == "__main__":
    app()
