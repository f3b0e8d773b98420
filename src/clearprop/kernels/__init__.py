"""Kernels: the mathematics, as pairs of pure functions over arrays.

`<name>_forward(inputs) -> output, cache` and `<name>_backward(dy, cache) -> gradients`, in the order of
forward's arguments. A cache is returned, never stored, and keeps the cheapest thing that suffices. A loss is
one function: it returns the losses of the N examples and the gradient of each example's own loss.

Kernels keep the dtype (scalars are Python numbers), change none of their inputs, hold no parameters, draw no
random numbers and check nothing: the border has done so. `docs/derivations/` has one page per kernel.

The letters of every shape, here and in the kernels' local names:

    N batch     T time      D inputs    M outputs   K classes
    H W C image (height, width, channels)           KH KW kernel (height, width)
    F filters   OH OW output (height, width)            V vocabulary

In the recurrent kernels H is the number of hidden units.
"""
