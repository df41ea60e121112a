"""Networks with shared weights and what they reach; `models.spaces` and `models.data` are free of torch."""
