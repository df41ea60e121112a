"""Cards that say how good predictor, shared weights and fronts are."""
