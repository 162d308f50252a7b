"""Series to batches of windows: schema, scales, covariates, splits."""
