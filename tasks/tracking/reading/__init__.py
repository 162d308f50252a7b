"""Videos with boxes, from tables and benchmarks."""
