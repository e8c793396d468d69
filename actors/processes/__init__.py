"""What the processes run: the four kinds of actor, what they are connected to, and Ray."""
