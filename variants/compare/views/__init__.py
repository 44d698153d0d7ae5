"""How a report is shown: live on a terminal, as a page, as Markdown."""
