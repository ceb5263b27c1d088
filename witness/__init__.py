"""The witness: cosigns checkpoints of logs that only grow (C2SP tlog-witness); own key, own state."""
