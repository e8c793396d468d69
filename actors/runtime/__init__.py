"""What makes an object an actor: mailbox, turns, group commit, timers. Knows nothing of tickets or of Ray."""
