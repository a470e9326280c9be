"""From the files that a person has to rows."""
