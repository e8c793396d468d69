"""What goes on in the background: finding dead actors, finishing what they left, and other duties."""
