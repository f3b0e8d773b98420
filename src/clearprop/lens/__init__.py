"""What a network does, shown. Reads the core and is never imported by it."""
