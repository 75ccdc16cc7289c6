"""Networks that hear waves, and the one loop that trains them.

    models.py      the systems: what is trained how, by recipe
    loop.py        the training loop: epochs, early stopping, checkpoints, resuming
    batches.py     clips -> length-bucketed batches of waves, read when they are asked for
    checkpoint.py  the file that a killed run goes on from
    losses.py      CCC with one degree of freedom, MSE and cross-entropy, blanks masked
    emo18.py, cnn.py  the networks: forward(waves [n, T], samples [n]) -> [n, C]
    device.py      which device they run on

A network is told how many samples of each row are the clip; what follows is padding, and more of
it never changes an output. All files but ``models.py`` and ``device.py`` import torch at their
top, and are imported inside functions.
"""
