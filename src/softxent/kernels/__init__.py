"""Room 4: the kernels, which compute; `registry` says what a kernel is and which can run here.

May import contracts, reference and what is below them. Read `registry` first. To add an
implementation, write a module with an object `KERNELS` and give it a line in `registry.MODULES`.
"""
