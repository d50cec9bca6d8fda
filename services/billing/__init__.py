"""Plans that are paid for: customers, subscriptions, Stripe's events."""
