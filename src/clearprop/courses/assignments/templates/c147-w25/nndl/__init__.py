"""Networks and layers: two-layer net, layers in pairs, networks built from them, update rules."""
