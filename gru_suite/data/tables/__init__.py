"""Tables and text files: CSV, TSV, JSON lines, Parquet, Excel."""
