"""A calculator for the model: sums and products of plain numbers, read as syntax and never evaluated as code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable

LONGEST_EXPRESSION = 1000  # characters; bounds the depth of the syntax tree and the length of every number in it

_ALLOWED = frozenset("0123456789+-*/(). ")
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: left / right,
}


def calculate(expression: str) -> str:
    """The value of an expression, rounded to two decimals, or a sentence that starts with `Error: `."""
    if not set(expression) <= _ALLOWED:
        return "Error: invalid characters in expression"
    if len(expression) > LONGEST_EXPRESSION:
        return f"Error: expression has {len(expression)} characters, the limit is {LONGEST_EXPRESSION}"
    try:
        value = _value(ast.parse(expression.strip(), mode="eval").body)
        return str(round(float(value), 2))
    except (
        SyntaxError,
        ValueError,
        RecursionError,
        MemoryError,
    ):  # what the parser raises, the last two on deep nesting
        return f"Error: {expression!r} is not an arithmetic expression"
    except ArithmeticError as error:
        return f"Error: {error}"


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left), _value(right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case _:  # powers too: `9**9**9` is five allowed characters and a day of work
            raise ValueError(f"{type(node).__name__} is not arithmetic")
