"""Rules of editors: reading them, binding composition by them, and finding the pages that violate them."""
