"""Neural networks in plain NumPy: layers, activations, losses, models, and what is needed to train them."""
