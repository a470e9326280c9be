"""How the page is served: the server, what stands before it, and the routes beside it."""
