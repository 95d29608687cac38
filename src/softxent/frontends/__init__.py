"""Room 5: the front ends. Each carries the kernels to one framework and holds no mathematics.

May import contracts and kernels. Read `cross_entropy` first, then `steps`, which every loss goes
through. To add a framework, write `softxent/frontends/<name>.py` with the functions of
`frontends.numpy`, and give it a line in tests/contract, whose edge table then drives it.
"""
