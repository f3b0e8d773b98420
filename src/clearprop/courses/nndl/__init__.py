"""UCLA ECE C147/C247's `nndl`: layers as pairs of functions, networks with a dict of parameters, update rules."""
