"""What operators watch: the metrics of the market, what they are counted from, and how they reach Prometheus."""
