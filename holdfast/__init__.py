"""What other programs import to work with a Holdfast market; it needs neither Ray nor the market's own packages."""
