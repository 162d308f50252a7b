"""The recurrent part of the GRU in C, built with the package where there is a compiler."""
