"""What stands around the tabs: the header, the first steps, the address."""
