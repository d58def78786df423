"""The gate: whether what was loaded and modelled keeps to the thresholds given."""
