"""The numbers of a layer of products, there and back."""

import numpy as np

from clearprop.lens.trace.put_in.words import Look, products, total


def forward(look: Look) -> list[str]:
    """One unit's sum of products."""
    x, at = look.call.x, look.at
    words = products(x[at[0]], look.params["w"][:, at[1]], float(look.params["b"][at[1]]))
    return [look.line("y", at, words, look.call.y[at])]


def backward(look: Look) -> list[str]:
    """The unit's largest dw, its db, and the number of dx that this weight leads to."""
    x, dy, unit, grads = look.call.x, look.back.dy, look.at[1], look.back.grads
    d = int(np.argmax(np.abs(np.nan_to_num(grads["w"][:, unit]))))
    return [
        look.line("dw", (d, unit), products(x[:, d], dy[:, unit]), grads["w"][d, unit]),
        look.line("db", (unit,), total(dy[:, unit]), grads["b"][unit]),
        *look.dx_line((0, d), products(dy[0], look.params["w"][d])),
    ]
