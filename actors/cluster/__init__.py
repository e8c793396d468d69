"""How the processes of a market find and ask each other: names, heartbeats, the client, and what is sent."""
