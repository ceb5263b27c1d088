"""The tables shipped with sealdock; an installation replaces them by files of its own."""
