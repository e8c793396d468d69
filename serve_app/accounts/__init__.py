"""What people do with their accounts, whether they ask by API, page or command line."""
