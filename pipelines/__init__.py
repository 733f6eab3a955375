"""What a user starts: flags, and the joining of stages."""
