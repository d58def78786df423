"""The SQL models and checks: their files, and their builds on DuckDB and Spark."""
