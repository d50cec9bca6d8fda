"""Monitored domains, their schedule, the alerts they raise, and how those reach people and programs."""
