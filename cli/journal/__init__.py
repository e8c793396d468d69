"""``holdfast journal``: what was committed, as it is published or for one entity, and whether any of it is lost."""
