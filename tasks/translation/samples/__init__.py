"""The default data set: written dates and numbers in ten languages."""
