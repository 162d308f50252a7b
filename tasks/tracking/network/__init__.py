"""The network, from crops to boxes."""
