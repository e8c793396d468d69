"""Pure decisions: no I/O, no clock, no Ray. Start with `messages`, then `ticket`."""
