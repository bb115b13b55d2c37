"""Every HTML page's theme, texts (English, Japanese) and components; no other code writes HTML.

A page is a Jinja template in `templates/`, drawn with the macros of `components.html.j2`, the style sheets and
scripts of `static/` and the texts of `texts/`. It becomes one file that needs no network and whose content security
policy forbids to fetch anything.
"""
