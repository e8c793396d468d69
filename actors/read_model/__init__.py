"""The documents that lists and reads by id are answered from, made of events."""
