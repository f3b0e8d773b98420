"""ONNX: a network written as a graph that other programs run, and such graphs read as networks.

`write` puts layers into nodes and `read` finds layers in them; both go through `gates` for the recurrent layers'
weights. ONNX's images are (N, C, H, W) and clearprop's (N, H, W, C): a value on either side knows the order of its
axes, so that nothing is transposed before a node asks for it.
"""

from clearprop.interop.onnx.read import from_onnx
from clearprop.interop.onnx.write import write_onnx, write_with

__all__ = ["from_onnx", "write_onnx", "write_with"]
