"""Compare: which model holds, which breaks, and by how much.

    command ─▶ choosing ─▶ study: what is measured, in which order
                             │
                         comparing: one step after the other, whatever becomes of each
                             │
                         measuring ─┬▶ servers: one at a time, on CPUs of its own
                             │      ├▶ usage, disturbance: what it takes, what else went on
                             │      └▶ loadgen: the load, the trouble, the bystander
                             ▼
          output ◀── report: raw counts, as JSON
             │               │
             ▼               ▼
           views ◀── finding ─▶ findings: medians, ratios, verdicts, reasons
                             └ metrics, estimates, diagnosis, baseline

What is below `report` runs no server: `compare --from` works everything out again. `study`,
`metrics`, `estimates`, `diagnosis`, `finding`, `findings` and `baseline` do no I/O at all.
"""
