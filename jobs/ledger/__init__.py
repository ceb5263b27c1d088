"""The Merkle log over the custody events: its key, its publication, and what it is compared with."""
