"""Tables and their time grids.

A *table* is a pandas DataFrame as read, one row a series and time. :class:`SortedRows` sorts its
rows by series and time. A :class:`TimeGrid` has every step of every series and the table's row of
each.
"""
