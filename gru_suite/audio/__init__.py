"""Sound of all tasks: from files and microphones to features and the steps of a backbone.

``reading`` decodes files, ``inputs`` takes what users give; ``augmentation`` and ``noise`` change
samples in training. ``spectral_features`` and ``conv_front_end`` make time steps of samples, and
``streaming`` those of samples that arrive in chunks.
"""
