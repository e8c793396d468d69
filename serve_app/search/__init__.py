"""Finding tickets and looking at them, by API or page."""
