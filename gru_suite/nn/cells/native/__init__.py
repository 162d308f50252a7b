"""The C kernel of the GRU, built with the package where there is a compiler."""
