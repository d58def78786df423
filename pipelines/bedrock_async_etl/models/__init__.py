"""The SQL models and checks: files, and what builds them."""
