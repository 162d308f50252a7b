"""Sources of training tables, and the embedded one: hourly weather at three airports."""
