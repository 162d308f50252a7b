"""The summary of a data set, and token attributions as a page."""
