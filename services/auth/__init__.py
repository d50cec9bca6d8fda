"""Who is calling, and what the account may do."""
