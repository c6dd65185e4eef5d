"""The node agent: what needs root on a node, and nothing else."""
