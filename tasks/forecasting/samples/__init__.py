"""The embedded data: hourly weather at three airports."""
