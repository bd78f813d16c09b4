"""A run as one page that any browser shows without a network: `document.write_html`, and what it is made of."""
