"""From the card to the spool: sources, inventory, recognition, offload, clearing."""
