"""How pages are composed: candidates and shelves in, shelves at positions with tracks out."""
