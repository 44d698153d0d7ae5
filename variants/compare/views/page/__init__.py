"""What the page is made of: its words and tables, its template, style and script."""
