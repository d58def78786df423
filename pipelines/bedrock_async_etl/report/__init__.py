"""One HTML page that shows what was loaded: figures, charts and tables, with nothing to fetch."""
