"""What the market does while it is under load."""
