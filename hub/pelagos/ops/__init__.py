"""What the commands do: one module per job, without printing."""
