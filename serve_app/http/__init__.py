"""What every answer and request has in common: bodies, errors, headers, pages of lists, addresses."""
