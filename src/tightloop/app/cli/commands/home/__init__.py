"""Commands that look at a home folder and what its sessions wrote down."""
