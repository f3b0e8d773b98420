"""The five courses: their names, conventions and assignments over the core."""
