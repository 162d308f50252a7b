"""Lightning modules around a model: loss, metrics, optimizer, weight averaging, transfer."""
