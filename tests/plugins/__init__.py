"""One toy component of each kind, one file each: what a user of the project would write in a module of their own."""
