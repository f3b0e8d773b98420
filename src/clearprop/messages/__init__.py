"""What refusals say: shapes laid beside each other, other libraries' names, the call that was meant."""
