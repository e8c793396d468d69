"""What a load test leaves: a report for programs, for people, and as a picture."""
