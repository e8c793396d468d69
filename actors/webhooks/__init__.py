"""Outgoing webhooks: what happens on the market is sent to addresses that people registered (Standard Webhooks 1.0.0).

Read `endpoint.py` and `delivery.py` (the values), `feed.py` (what events become deliveries), `backlog.py` (how many
may wait), `dispatcher.py` (when they are sent), `http_client.py` (how, and to which addresses never).
"""
