"""The ways to reach people and programs."""
