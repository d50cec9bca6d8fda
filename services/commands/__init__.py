"""What each subcommand of `compliancelayer` does."""
