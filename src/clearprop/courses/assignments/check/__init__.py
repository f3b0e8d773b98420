"""A student's folder, checked: each check in a process of its own, on a copy, with a time limit."""
