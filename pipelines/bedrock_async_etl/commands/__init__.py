"""The commands: a file each, with its options, its help and what it prints."""
