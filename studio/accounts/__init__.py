"""Who may use the studio and what is theirs: accounts, sign-in, and a studio for each of them."""
