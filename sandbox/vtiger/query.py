"""The query language of webservice.php: a text in, a Query out, with its recorded restrictions."""

import re
from dataclasses import dataclass, field

from sandbox.vtiger import collation
from sandbox.vtiger.refusals import denied, internal_error, syntax

MAX_ROWS = 100
_MODULE = re.compile(r"from\s+([^\s;]+)", re.IGNORECASE)
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*')
      | (?P<double>"[^"]*")
      | (?P<number>-?\d+(?:\.\d+)?(?![\w&]))
      | (?P<word>[\w&]+)
      | (?P<symbol><=|>=|!=|[=<>(),;*])
      | (?P<unknown>\S)
    )""",
    re.VERBOSE,
)
_OPERATORS = frozenset({"=", "<", ">", "<=", ">=", "!=", "LIKE", "IN"})


@dataclass(frozen=True)
class Condition:
    """`values` has one item except for IN; they are unescaped but not yet of the field's type."""

    column: str
    operator: str
    values: tuple[str, ...]


@dataclass
class Query:
    """`columns` None means all; `alternatives` is an OR of ANDs, empty for no WHERE."""

    module: str
    columns: tuple[str, ...] | None = None
    counting: bool = False
    alternatives: list[list[Condition]] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    descending: bool = False
    offset: int = 0
    limit: int = MAX_ROWS


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str

    @property
    def keyword(self) -> str:
        return self.text.upper() if self.kind in ("word", "symbol") else ""


def module_named(text: str) -> str:
    """The module of a query; found before the query is parsed, as the real system does."""
    match = _MODULE.search(text)
    if match is None:
        raise syntax(text.split(" ", 1)[0], f"Unknown({text.split(' ', 1)[0]})", "SELECT")
    return match[1]


def parse(text: str) -> Query:
    """Refusal QUERY_SYNTAX_ERROR for what the real parser cannot read (recordings 53-*)."""
    return _Parser(_tokens(text)).query()


def _tokens(text: str) -> list[_Token]:
    found = ((match.lastgroup or "unknown", match) for match in _TOKEN.finditer(text))
    return [_Token(kind, match[kind]) for kind, match in found]


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def query(self) -> Query:
        query = self._select()
        if self._take("WHERE"):
            query.alternatives = self._where()
        if self._take("ORDER"):
            self._expect("BY")
            self._order(query)
        if self._take("LIMIT"):
            self._limit(query)
        self._expect(";", "SEMICOLON")
        return query

    def _select(self) -> Query:
        self._expect("SELECT")
        counting, columns = self._columns()
        self._expect("FROM")
        return Query(self._word(), columns, counting)

    def _columns(self) -> tuple[bool, tuple[str, ...] | None]:
        if self._take("*"):
            return False, None
        if self._peek() == "COUNT" and self._peek(1) == "(":
            self._at += 2
            self._expect("*")
            self._expect(")")
            return True, None
        return False, tuple(self._words())

    def _where(self) -> list[list[Condition]]:
        alternatives = [[self._condition()]]
        while self._peek() in ("AND", "OR") and self._peek(1) != "(":
            if self._next().keyword == "AND":
                alternatives[-1].append(self._condition())
            else:
                alternatives.append([self._condition()])
        if self._peek() in ("AND", "OR"):
            self._at += 1
        return alternatives

    def _condition(self) -> Condition:
        column = self._word()
        operator = self._peek()
        if operator not in _OPERATORS:
            raise self._unexpected()
        self._at += 1
        return Condition(column, operator, self._operands(operator))

    def _operands(self, operator: str) -> tuple[str, ...]:
        if operator != "IN":
            return (self._value(),)
        self._expect("(")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        self._expect(")")
        return tuple(values)

    def _order(self, query: Query) -> None:
        query.order = self._words()
        if self._take("DESC"):
            query.descending = True
        else:
            self._take("ASC")

    def _limit(self, query: Query) -> None:
        first = self._integer()
        if self._take(","):
            query.offset, first = first, self._integer()
        query.limit = min(first, MAX_ROWS)

    def _value(self) -> str:
        token = self._next()
        if token.kind == "text":
            return collation.unescape(token.text[1:-1])
        if token.kind == "number":
            return token.text
        if token.kind == "double":
            raise internal_error()
        self._at -= 1
        raise self._unexpected()

    def _integer(self) -> int:
        token = self._next()
        if token.kind == "number" and token.text.isdecimal():
            return int(token.text)
        self._at -= 1
        raise self._unexpected()

    def _words(self) -> list[str]:
        words = [self._word()]
        while self._take(","):
            words.append(self._word())
        return words

    def _word(self) -> str:
        token = self._next()
        if token.kind == "word":
            return token.text
        self._at -= 1
        raise self._unexpected()

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at].keyword if at < len(self._tokens) else ""

    def _next(self) -> _Token:
        if self._at == len(self._tokens):
            raise self._unexpected()
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, keyword: str) -> bool:
        found = self._peek() == keyword
        self._at += found
        return found

    def _expect(self, keyword: str, expected: str = "") -> None:
        if not self._take(keyword):
            raise self._unexpected(expected or keyword)

    def _unexpected(self, expected: str = "SEMICOLON") -> Exception:
        if self._at >= len(self._tokens):
            last = self._tokens[-1].text if self._tokens else ""
            return syntax(last, "End of Input(0)", expected)
        token = self._tokens[self._at]
        return syntax(token.text, f"{self._name_of(token)}({token.text})", expected)

    def _name_of(self, token: _Token) -> str:
        if self._at == 0:
            return "Unknown"
        if token.text == "(":
            return "PARENOPEN"
        limited = any(before.keyword == "LIMIT" for before in self._tokens[: self._at])
        return "VALUE" if limited or token.kind != "word" else "COLUMNNAME"


def unknown_module(name: str) -> Exception:
    return denied(f" for name : {name}")
