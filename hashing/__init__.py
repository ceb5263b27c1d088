"""Digests, the copying reader, durable files, canonical JSON, manifests, seals, timestamps, keys, the log."""
