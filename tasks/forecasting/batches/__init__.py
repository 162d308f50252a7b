"""Series, windows and batches.

A *schema* is learned from the training part of a table on its time grid. By the schema the table is
encoded into a :class:`SeriesSet`, flat arrays of all series; a :class:`WindowSet` lists windows of
lookback and horizon in it, and a :class:`ForecastBatch` has the tensors of some windows.
"""
