"""Roles, each of which may do what those before it may."""

from enum import IntEnum


class UserRole(IntEnum):
    """Of a user, a key, or needed for a route; ANYBODY: no login is needed."""

    ANYBODY = 0
    VIEWER = 1
    TRADER = 2
    OPERATOR = 3
    ADMIN = 4


NAMES = tuple(role.name.lower() for role in UserRole if role is not UserRole.ANYBODY)


def role_of(name: str) -> UserRole:
    """Return the role of a name as the API writes it."""
    return UserRole[name.upper()]
