"""Where evidence lies: vaults that publish once and never overwrite, and what is read back from them.

``vault`` says what every vault promises, ``layout`` names the objects, ``local`` keeps them on a file system
(with ``tree``, ``locks`` and ``immutable`` as its tools).
"""
