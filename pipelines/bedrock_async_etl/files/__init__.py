"""Files of any kind: where they are, and how they are replaced whole."""
