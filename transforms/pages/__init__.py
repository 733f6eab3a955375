"""Pages: shelves, rules, composition, exploration, reasons."""
