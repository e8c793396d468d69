"""What each scenario does, for `--help`: known without what a measured load needs, which is an optional extra."""

from collections.abc import Mapping

SUMMARIES: Mapping[str, str] = {
    "reserve": "Hold a ticket that nobody else wants, and let go of it.",
    "purchase": "List a ticket; somebody holds it, pays, and sees the order complete.",
    "hot": "Want the one ticket that everybody wants. Its holder lets go of it after a second.",
    "flash-sale": "Take one of the best tickets that are left, try others when refused, pay, until all are sold.",
    "browse": "Read the first page of the catalogue, a search, or a ticket.",
    "mixed": "Do as people do: 80 % read, 12 % reserve, 5 % buy, 3 % want the hot ticket.",
}
