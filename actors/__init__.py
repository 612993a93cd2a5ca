"""What runs: one actor a file, the messages they exchange, and the wiring."""
