"""seqnets beside what a user would pick instead: speed and memory. See README.md beside this."""
