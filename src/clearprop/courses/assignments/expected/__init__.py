"""The numbers that a folder's own tests compare with: from clearprop's core, not from the code that is tested."""
