"""What goes wrong on purpose between the market and the sandbox, so that a running market can be tested with it."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How often each thing goes wrong, 0 never and 1 always. Raises ValueError for anything else.

    Requests: `lost_answer` is carried out and never answered; `delay` waits `delay_seconds` first; `connection_reset`,
    `conflict` (409, the key is in use) and `rate_limit` (429) do nothing, and a repeat may go through; `server_error`
    does nothing either, but its 500 is saved under the key and replayed, so that only a new key helps.
    Webhooks: `duplicate_webhook` delivers twice; `reorder_webhook` holds one back for up to two seconds.
    `seed` makes each process draw the same numbers again.
    """

    lost_answer: float = 0.0
    delay: float = 0.0
    delay_seconds: float = 0.5
    conflict: float = 0.0
    rate_limit: float = 0.0
    server_error: float = 0.0
    connection_reset: float = 0.0
    duplicate_webhook: float = 0.0
    reorder_webhook: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name not in ("delay_seconds", "seed") and not 0 <= value <= 1:
                raise ValueError(f"{name} is a probability, from 0 to 1")
        if self.delay_seconds < 0:
            raise ValueError("delay_seconds is not negative")
