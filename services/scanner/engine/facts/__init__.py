"""Dated tables of public facts: what software there is, how long it is supported, which flaws it has.

Data files with their source and date in them; docs/facts.md says what each holds and how newer ones are fetched.
"""
