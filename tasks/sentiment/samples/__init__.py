"""The default data set: labelled movie reviews."""
