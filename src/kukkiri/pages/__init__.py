"""Every HTML page's theme, texts and components."""
