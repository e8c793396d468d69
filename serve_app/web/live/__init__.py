"""The live feed: pages that show what others do while one looks."""
