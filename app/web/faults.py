"""What can go wrong while a page is made, told to a person."""


class PageFault(Exception):
    """Answered by a page of its own, with a heading and a sentence."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail


class SignInNeeded(Exception):
    """Nobody is signed in: a page leads to the sign-in and back, a form to the sign-in alone."""


def not_found(what: str) -> PageFault:
    return PageFault(404, "Not found", f"There is no {what}.")
