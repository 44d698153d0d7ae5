"""The load generator, on the client's side of the protocol core.

    commands ─▶ conducting ─▶ agents (a process each) ─▶ engine ─▶ clients
       │            │             plan: what is sent, and when
       ▼            ▼             counts: histograms and errors, added up
     views ◀──── results ◀────────┘

`plan` and `counts` are data: no socket, no clock. The engine is one event loop. What is
drawn, scraped and written is another process's business, so that it makes nobody late.
"""
