"""Hostile media: sniffing, structure walks, probing and sampled pictures, all inside a sandboxed child."""
