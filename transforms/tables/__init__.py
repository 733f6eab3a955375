"""Tables, buckets and artifacts: schemas, writing, and everything that is particular to Beam."""
