"""Files to labelled texts: tables, folders, published layouts, splits."""
