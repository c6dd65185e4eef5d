"""Where people's servers run. One contract, several ways to keep it."""
