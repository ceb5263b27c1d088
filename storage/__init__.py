"""Where evidence lies: vaults that publish once and never overwrite, and what is read back from them.

``vault`` says what every vault promises, and ``layout`` names the objects. ``local`` keeps them on a file
system; ``publisher``, ``lock_record``, ``tree``, ``temps``, ``read_back`` and ``immutable`` are its parts.
"""
