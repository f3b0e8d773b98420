"""PyTorch's weights in clearprop's networks, and back: read from safetensors, turned, matched and checked."""

from clearprop.interop.torch_weights.load import load_torch_weights
from clearprop.interop.torch_weights.save import save_torch_weights
from clearprop.interop.torch_weights.table import WeightTable

__all__ = ["WeightTable", "load_torch_weights", "save_torch_weights"]
