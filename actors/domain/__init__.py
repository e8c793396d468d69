"""Pure decisions: no I/O, no clock, no Ray. Start with `ticket_commands`, then `ticket_rules`."""
