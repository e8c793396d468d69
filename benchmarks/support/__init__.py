"""What benchmarks and tests both need: a whole market in processes of its own, and people who are signed in."""
