"""Frame encoders and the video classifier."""
