"""The data pool: what people order is fetched once, kept as long as it is needed, and cited."""
