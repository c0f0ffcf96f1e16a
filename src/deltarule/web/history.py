"""History: the states of a session before its changes, for undo and redo.

A state holds settings and at most one set of weights, not the steps, which are taken again.
"""

from dataclasses import dataclass, field

from deltarule.web.session import Mark, Session

MOST = 60


@dataclass
class History:
    """What undo and redo return to, the nearest last."""

    before: list[Mark] = field(default_factory=list)
    after: list[Mark] = field(default_factory=list)

    def record(self, mark: Mark) -> None:
        """Record the state before a change; what was undone until then is forgotten."""
        self.before = [*self.before, mark][-MOST:]
        self.after = []

    def turn(self, session: Session, *, back: bool) -> int:
        """Undo or redo one change, where there is one; returns the step that was had there.

        The session may be short of that step, as `Session.go` is.
        """
        source, target = (self.before, self.after) if back else (self.after, self.before)
        if not source:
            return session.at.number
        mark = session.mark
        session.restore(source[-1])
        target.append(mark)
        return source.pop().number
