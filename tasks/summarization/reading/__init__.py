"""Files to documents: formats, layouts, sentences, splits."""
