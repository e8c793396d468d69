"""How many tickets were listed since a page was made, for all who look at the same search together."""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.domain.instants import Instant
from actors.runtime.bounded_dict import BoundedDict
from actors.storage.catalogue import TicketFilter
from serve_app.search.matching import Listed, matches

if TYPE_CHECKING:
    from serve_app.web.live.feed import Viewer

# Beyond that a page says "99+". Pages that come back to the feed are told of what they missed out of the newest.
MOST_COUNTED = 100
_REMEMBERED = 500


@dataclass(slots=True, eq=False)
class WatchedSearch:
    """A search that open pages show, and when the newest tickets were listed that it finds."""

    wanted: TicketFilter
    listed_at: deque[Instant] = field(default_factory=lambda: deque(maxlen=MOST_COUNTED))
    viewers: set["Viewer"] = field(default_factory=set)
    has_news: bool = False

    def note(self, listed: Listed) -> None:
        """Count the ticket if the search finds it."""
        if matches(self.wanted, listed):
            self.listed_at.append(listed.at)
            self.has_news = True

    def listed_since(self, since: Instant) -> int:
        """Return how many tickets were listed after this instant, at most a hundred."""
        return len(self.listed_at) - bisect_right(sorted(self.listed_at), since)


class NewListings:
    """The newest listings of the market, and the searches that somebody looks at."""

    def __init__(self) -> None:
        self._newest: BoundedDict[str, Listed] = BoundedDict(_REMEMBERED)
        self._searches: dict[TicketFilter, WatchedSearch] = {}

    def watch(self, viewer: "Viewer", wanted: TicketFilter) -> WatchedSearch:
        """Have the viewer told of new tickets that the search finds."""
        search = self._searches.get(wanted)
        if search is None:
            search = self._searches[wanted] = WatchedSearch(wanted)
            for listed in self._newest.values():
                search.note(listed)
        search.viewers.add(viewer)
        return search

    def leave(self, viewer: "Viewer", search: WatchedSearch) -> None:
        """Forget the viewer, and the search that nobody else looks at."""
        search.viewers.discard(viewer)
        if not search.viewers:
            self._searches.pop(search.wanted, None)

    def note(self, listed: Listed) -> None:
        """Count a new ticket for the searches that find it; `tell` tells their viewers.

        An event may come more than once: a ticket counts once.
        """
        if listed.ticket_id in self._newest:
            return
        self._newest[listed.ticket_id] = listed
        for search in self._searches.values():
            search.note(listed)

    def tell(self) -> None:
        """Tell the viewers of searches that found something since the last time."""
        for search in self._searches.values():
            if search.has_news:
                search.has_news = False
                for viewer in search.viewers:
                    viewer.tell_of_listings()
