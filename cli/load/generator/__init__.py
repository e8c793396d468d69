"""What makes the load: timetable, connections, measured visits, and the counts that come of them."""
