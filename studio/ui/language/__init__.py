"""The page in German and Spanish: catalogs of its messages, and the one place where they are put in as it leaves."""
