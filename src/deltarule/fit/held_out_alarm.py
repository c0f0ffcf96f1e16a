"""Held-out alarm: a note where held-out metrics are clearly worse than the null model's, and why.

Noise in predictions raises the mean squared error by a known amount: an excess d, relative to the
null model's error, has a standard error of 2 * sqrt(d / n) on n rows, as each row's error is paired
with its error under the null model. So an excess is significant, by two standard errors, above
16 / n; of a log loss, in nats, above 8 / n. An excess of half is reported for any number of rows.
"""

from deltarule.losses.loss import Loss
from deltarule.model.record import HeldOutRecord, LearnRecord, Record
from deltarule.model.summary import never_seen
from deltarule.views.format import number, share

# An excess above this is always reported, one below it never: relative to the null model.
ALWAYS, NEVER = 0.5, 0.02
# Two standard errors, in nats per row and relative to the null model's error.
NATS, EXCESS = 8.0, 16.0
# Periods and groups differ more than rows do: the number of rows says little there.
APART = 0.1
# Log-loss metrics are of so many rows at most.
MOST_ROWS = 10_000
# Fewer rows than this per weight are few.
ROWS_EACH = 3


def with_alarm(record: Record) -> Record:
    """The record with a leading note for each target that the null model predicts better."""
    targets = zip(record.contract.targets, record.losses, record.held_out or (), strict=False)
    notes = []
    for target, loss, held_out in targets:
        told = clearly_worse(record, loss, held_out)
        if told:
            [learnt] = [one for one in record.learnt if target.name in one.targets]
            why = "; ".join(_reasons(record, learnt))
            notes.append(f"{target.name} is predicted worse than by guessing: {told}; {why}")
    return record.model_copy(update={"notes": (*notes, *record.notes)}) if notes else record


def clearly_worse(record: Record, loss: Loss, held_out: HeldOutRecord) -> str:
    """The metrics, where they are clearly worse than the null model's; empty where not."""
    rows = held_out.rows or record.rows
    what, one, guess = "typical error", held_out.rmse, held_out.baseline_rmse
    excess, sure = (one / guess) ** 2 - 1 if guess > 0 else 0.0, EXCESS / rows
    if held_out.loss is not None and held_out.baseline_loss is not None:
        if held_out.classes is not None:
            what, one, guess = "log loss", held_out.loss, held_out.baseline_loss
            rows = min(rows, MOST_ROWS)
            excess, sure = one / guess - 1 if guess > 0 else 0.0, NATS / rows / (guess or 1.0)
        elif loss.dispersion in ("robust", "unknown"):
            # Robust losses are compared by mean loss: outliers dominate the mean of squares.
            what, one, guess = "mean loss", held_out.loss, held_out.baseline_loss
            excess = one / guess - 1 if guess > 0 else 0.0
    by = record.held_out_by
    if by is not None and by.by in ("group", "time"):
        sure = max(sure, APART)
    if excess <= min(max(sure, NEVER), ALWAYS):
        return ""
    figure = share if what == "log loss" else number
    return f"on {never_seen(record)}, {what} {figure(one)}, guessing {figure(guess)}"


def _reasons(record: Record, learnt: LearnRecord) -> list[str]:
    """Possible causes; there is always one."""
    weights, rows = len(record.contract.inputs) + bool(record.intercept), record.examples or 0
    by, held = record.held_out_by, learnt.ridge > 0 or learnt.lasso > 0
    many = rows > 0 and weights * ROWS_EACH > rows
    alone = "" if held else ", and no penalty holds them: try --ridge 1, or fewer inputs"
    reasons = [
        (many, f"{weights:,} weights are many for {rows:,} rows{alone}"),
        (by is not None and by.by == "time", "later rows may follow other rules (drift)"),
        (by is not None and by.by == "group", "groups may differ in more than the inputs say"),
        (
            by is not None and by.table is not None,
            "these rows may be of another kind than those learnt from",
        ),
        (
            learnt.steps > 0 and not learnt.stopped.startswith("settled"),
            "the steps did not arrive at the best weights",
        ),
    ]
    found = [words for true, words in reasons if true]
    return found or [
        "the inputs may say nothing of it, or far rows mislead: see `deltarule diagnose`"
    ]
