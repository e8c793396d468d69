"""What tests count for the line at the end of a run."""

HOSTILE_REQUESTS = "hostile requests"
