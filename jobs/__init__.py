"""The durable workflows: docking and what follows it."""
