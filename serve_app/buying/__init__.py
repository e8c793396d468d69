"""What buyers do with tickets and orders, whether they ask by API or page."""
