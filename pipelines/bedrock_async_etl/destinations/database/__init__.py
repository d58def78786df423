"""Support of destinations that are databases: merges, and upgrades of their tables."""
