"""Iceberg tables: their catalog, schema, upserts, snapshots, compaction and models."""
