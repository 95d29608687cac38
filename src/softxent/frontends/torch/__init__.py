"""PyTorch: tensors in, tensors out, derivatives of every order.

Read first: `cross_entropy`, then `eager`. One kernel stands behind three doors: `eager` for plain
calls, `transforms` for torch.func and forward mode, `compiled` for torch.compile.
"""
