"""States of a session, and which may follow which."""

from enum import StrEnum


class SessionState(StrEnum):
    """Where a session is. STOPPED is final: who wants it again starts another."""

    IDLE = "IDLE"
    STARTING = "STARTING"
    RECOVERING = "RECOVERING"
    RECONCILING = "RECONCILING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    ERROR = "ERROR"


_NEXT = {
    SessionState.IDLE: {SessionState.STARTING},
    SessionState.STARTING: {SessionState.RECOVERING, SessionState.RECONCILING, SessionState.STOPPING},
    SessionState.RECOVERING: {SessionState.RECONCILING, SessionState.STOPPING},
    SessionState.RECONCILING: {SessionState.RUNNING, SessionState.PAUSED, SessionState.STOPPING},
    SessionState.RUNNING: {SessionState.PAUSED, SessionState.STOPPING},
    SessionState.PAUSED: {SessionState.RUNNING, SessionState.STOPPING},
    SessionState.STOPPING: {SessionState.STOPPED},
    SessionState.STOPPED: set(),
    SessionState.ERROR: {SessionState.STOPPING},
}


def may_follow(state: SessionState, following: SessionState) -> bool:
    """Return whether a session may go from one state to another; ERROR may follow any but STOPPED."""
    if following is SessionState.ERROR:
        return state is not SessionState.STOPPED
    return following in _NEXT[state]
