"""Comparison of runs: folders to records, records to groups, statistics, the report.

``documents`` says what a report contains; ``report_html`` and ``report_files`` write it.
"""
