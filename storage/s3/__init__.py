"""A vault in a bucket of an S3 store with Object Lock.

``vault`` is the vault; ``address`` reads its URL, ``client`` opens the store, ``faults`` says in our words
what went wrong there. ``bucket`` asks about exact versions, ``multipart`` sends large files, ``uploads``
remembers what was begun, ``turns`` keeps writers of one key apart, ``line`` lets large files go one after the
other, and ``stream`` reads a version back. ``preflight`` tries with ``trials`` and ``rights`` what the store
honours.
"""
