"""Tables to series on regular time steps: files, time stamps, frequency."""
