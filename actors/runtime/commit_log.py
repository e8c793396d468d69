"""One line in the log for each event that is in the journal: what a purchase went through, in every actor, is here."""

import structlog

from actors.runtime.entity import Entity
from actors.runtime.ports import Command, Commit, State
from actors.runtime.trace import request_of

logger = structlog.get_logger(__name__)


def log_commit(entity: Entity[State, Command], commit: Commit, **facts: object) -> None:
    """Log each event with its entity, its order if it is about one, and the request that caused it if one did.

    What came of time alone has no request.
    """
    for record in commit.records:
        line = {"type": type(record.event).__name__, record.kind: record.entity_id, "version": record.version}
        line.update(entity.log_facts(record.event), writer=commit.writer, **facts)
        if record.traceparent is not None:
            line["request"] = request_of(record.traceparent)
        logger.info("event_committed", **line)
