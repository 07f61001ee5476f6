"""seqnets compared with what a user would pick instead: speed and memory. See README.md here."""
