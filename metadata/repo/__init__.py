"""Queries of the register, one module per aggregate. Callers own the transaction."""
