"""Rows and models as Parquet files that other engines read, whole at every moment."""
