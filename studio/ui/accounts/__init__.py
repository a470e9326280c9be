"""Accounts on the page: signing in, one's own account, those of others for the owner, and the gate before all of it."""
