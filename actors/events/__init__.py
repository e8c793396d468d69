"""The event stream: how committed events get into Redis, and how one consumer reads them."""
