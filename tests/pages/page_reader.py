"""What a browser would take from a page."""

from html.parser import HTMLParser


class PageReader(HTMLParser):
    """Elements with their attributes, scripts and styles with their contents, and the text that a person sees."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, dict[str, str | None], str]] = []
        self.visible: list[str] = []
        self._raw = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._raw = tag in ("script", "style")
        if self._raw:
            self.raw.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._raw = False

    def handle_data(self, data: str) -> None:
        if self._raw:
            self.raw[-1] = (*self.raw[-1][:2], self.raw[-1][2] + data)
        elif data.strip():
            self.visible.append(data.strip())
