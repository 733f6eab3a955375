"""Tables, buckets and artifacts: schemas, reading and writing, and everything that is particular to Beam."""
