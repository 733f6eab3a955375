"""The sample world as a service: its listeners respond to the pages that they are served, day by day."""
