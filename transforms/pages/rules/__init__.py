"""Rules that whoever runs a Home sets: how they are read, how they bind composition, how pages are judged."""
