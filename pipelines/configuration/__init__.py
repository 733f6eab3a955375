"""Files of flags: reading, writing a first one, and checking the tables that one names."""
