"""Series of many Parquet files, written once into memory-mapped columns."""
