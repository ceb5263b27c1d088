"""Settings, errors, messages, recorder profiles and the retention schedule: the lowest room of the house."""
