"""What sellers do with their tickets, whether they ask by API or page."""
