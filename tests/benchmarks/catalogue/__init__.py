"""Parts of the benchmark of the catalogue: records, queries, truth, and who answers them."""
