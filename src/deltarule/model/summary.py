"""Summary of a model in text: three short paragraphs headed Predict, Compare, Learn."""

import math
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

from deltarule.losses.loss import MEAN
from deltarule.tables.left_out import left_out_told
from deltarule.views.format import number, percent, rows_told, screen_width, share, short_words

if TYPE_CHECKING:
    from deltarule.losses.loss import Loss
    from deltarule.metrics.classification import ClassMetrics
    from deltarule.metrics.regression import Metrics
    from deltarule.model.record import FitRecord, HeldOutRecord, LearnRecord, Record, WeightRecord

TERMS_SHOWN = 6
CLASSES_SHOWN = 6


def first_of(names: Sequence[str], most: int = 5) -> str:
    """A list of names truncated to the first few: a, b and 3 more.

    >>> first_of(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def counting(rows: float, examples: int | None) -> str:
    """The row count, with the total weight where it differs: 3 rows, which count as 2,900."""
    if examples is None or examples == rows:
        return rows_told(rows)
    return f"{rows_told(examples)}, which {'count' if examples != 1 else 'counts'} as {rows:,.6g}"


def figures_told(figures: "Metrics") -> list[str]:
    """Metrics in words, beside the null model's; for classes with tables."""
    if figures.classes is not None:
        told = classes_told(figures.classes, figures.loss, figures.baseline_loss)
        return [told, *_confusion(figures.classes), *_calibration(figures.classes)]
    words = amount_told(figures)
    if figures.null_deviance is None or figures.deviance is None:
        return [words + explained_told(figures)]
    if figures.null_deviance > 0:
        words += f"; deviance explained {share(1 - figures.deviance / figures.null_deviance)}"
    return [words]


def error_told(figures: "Metrics | HeldOutRecord") -> tuple[str, float, float]:
    """The error that a loss of amounts is about: its name, its size, and that of guessing."""
    if figures.guess == "the median" and figures.absolute_error is not None:
        guess = figures.baseline_absolute_error or 0.0
        return "mean absolute error", figures.absolute_error, guess
    if figures.guess != MEAN and figures.loss is not None:
        return "mean quantile (pinball) loss", figures.loss, figures.baseline_loss or 0.0
    return "typical error (RMSE)", figures.rmse, figures.baseline_rmse


def amount_told(figures: "Metrics | HeldOutRecord") -> str:
    """The error of an amount in words, beside the null model's."""
    name, error, guess = error_told(figures)
    return f"{name} {number(error)}; always predicting {figures.guess}: {number(guess)}"


def explained_told(figures: "Metrics | HeldOutRecord") -> str:
    """The share of the error that is explained, in words after others."""
    if figures.guess == MEAN:
        return "" if figures.r2 is None else f"; R2 {share(figures.r2)}"
    _, error, guess = error_told(figures)
    told = f"; loss explained {share(1 - error / guess)}" if guess > 0 else ""
    below = figures.below
    return told if below is None else f"{told}; {percent(below)} of rows are below"


def classes_told(classes: "ClassMetrics", loss: float, baseline_loss: float) -> str:
    """Classification metrics in words, beside the null model's."""
    words = f"right in {percent(classes.accuracy)}"
    words += f"; always predicting the most frequent: {percent(classes.baseline_accuracy)}"
    if classes.auc is not None:
        words += f"; AUC {share(classes.auc)}"
    return words + f"; log loss {share(loss)}, of the classes' shares alone {share(baseline_loss)}"


def _confusion(classes: "ClassMetrics") -> list[str]:
    """The confusion matrix; only the errors where there are many classes."""
    names = classes.classes
    if len(names) > CLASSES_SHOWN:
        wrong = sorted(
            (
                (-rows, f"{names[actual]} taken for {names[made]} in {rows_told(rows)}")
                for actual, across in enumerate(classes.confusion)
                for made, rows in enumerate(across)
                if actual != made and rows > 0
            ),
        )
        return [f"  {words}" for _, words in wrong[:CLASSES_SHOWN]]
    head = ["", *(f"said {name}" for name in names)]
    lines = [
        [f"is {name}", *(f"{rows:,.0f}" for rows in across)]
        for name, across in zip(names, classes.confusion, strict=True)
    ]
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    return [
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in [head, *lines]
    ]


def _calibration(classes: "ClassMetrics") -> list[str]:
    """The calibration bins that are over- or underconfident by more than chance."""
    what = f"{classes.classes[1]}" if len(classes.classes) == 2 else "right"
    lines = []
    for one in classes.calibration:
        noise = math.sqrt(max(one.predicted * (1 - one.predicted), 1e-12) / one.rows)
        if abs(one.happened - one.predicted) > 3 * noise:
            lines.append(
                f"  of {rows_told(one.rows)} predicted to be {what} with {percent(one.predicted)} "
                f"on average, {percent(one.happened)} were"
            )
    return lines


def blocks(record: "Record") -> list[tuple[str, list[str]]]:
    """The heads and lines of the three paragraphs, and of the notes below them."""
    all_of_them = [
        ("Predict", _predict(record)),
        ("Compare", _compare(record)),
        ("Learn", _learn(record)),
        ("Notes", list(record.notes)),
    ]
    return [(head, lines) for head, lines in all_of_them if lines]


def paragraphs(record: "Record") -> str:
    """The three paragraphs as wrapped text."""
    sections = blocks(record)
    return "\n\n".join("\n".join([head, *map(_folded, lines)]) for head, lines in sections)


def _folded(line: str) -> str:
    width = screen_width()
    return fill(
        short_words(line, width - 6),
        width,
        initial_indent="  ",
        subsequent_indent="      ",
        break_on_hyphens=False,
    )


def score_names(record: "Record") -> dict[str, str]:
    """The name of each output's score: log odds of it, or just its name."""
    spans = record.contract.target_spans().values()
    return {
        output: loss.says.format(output)
        for loss, span in zip(record.losses, spans, strict=True)
        for output in record.contract.outputs[span]
    }


def _predict(record: "Record") -> list[str]:
    inputs, lines = len(record.contract.inputs), []
    says = score_names(record)
    factors = {column.name: column.term.factor for column in record.contract.columns}
    for at, output in enumerate(record.contract.outputs):
        weights = record.weights[at * inputs : (at + 1) * inputs]
        by_effect = sorted(
            zip(weights, record.spreads, strict=True),
            key=lambda pair: -abs(pair[0].weight * pair[1]),
        )
        shown = [weight for weight, _ in by_effect[:TERMS_SHOWN]]
        terms = [_term(weight, factors) for weight in weights if weight in shown]
        start = [number(record.intercept[at].weight)] if record.intercept else []
        formula = " + ".join([*start, *terms]).replace("+ -", "- ")
        rest = inputs - len(shown)
        more = f" + {rest} smaller {'term' if rest == 1 else 'terms'}" if rest else ""
        more += f" + {record.contract.offset.name}" if record.contract.offset else ""
        lines.append(f"{says[output]} = {formula}{more}")
    return lines


def _term(weight: "WeightRecord", factors: Mapping[str, str]) -> str:
    size = number(weight.weight)
    if weight.level is None:
        return f"{size} * {factors[weight.input]}"
    if weight.level == "(missing)":
        return f"{size} if {weight.input} is missing"
    return f"{size} if {weight.input} is {weight.level}"


def _compare(record: "Record") -> list[str]:
    lines = []
    several = len(record.fit) > 1
    for at, target in enumerate(record.contract.targets):
        head = f"{target.name}: " if several else ""
        held_out = record.held_out[at] if record.held_out else None
        if held_out:
            lines.append(head + held_out_told(record, held_out))
        lines.append(head + _learnt_from(record.losses[at], record.fit[at], record.rows))
        if held_out is None:
            lines.append("no rows were held out, so nothing is known of new rows")
    return lines


NEVER_SEEN = {
    "rows": "held-out rows",
    "id": "held-out rows",
    "group": "held-out rows of other groups",
    "time": "held-out rows, later in time",
}


def never_seen(record: "Record") -> str:
    """The held-out rows, in words."""
    by, since = record.held_out_by, before_updates(record)
    if by is not None and by.table is not None:
        rows = record.held_out[0].rows if record.held_out else None
        return (
            f"the {rows_told(rows)} of {by.table}{since}" if rows else f"rows of {by.table}{since}"
        )
    return f"{NEVER_SEEN[by.by if by else 'rows']}{since}"


def before_updates(record: "Record") -> str:
    """That figures on held-out rows are of the weights before those that update learnt."""
    streamed = record.streamed
    return "" if streamed is None else f", before the {rows_told(streamed.rows)} that update learnt"


def held_out_told(record: "Record", held_out: "HeldOutRecord") -> str:
    """The error on held-out rows of one of its targets, in words."""
    rows = never_seen(record)
    classes, loss = held_out.classes, held_out.loss
    if classes is not None and loss is not None and held_out.baseline_loss is not None:
        told = classes_told(classes, loss, held_out.baseline_loss)
        return f"on {rows}, {told}"
    return f"on {rows}, {amount_told(held_out)}{explained_told(held_out)}"


def _learnt_from(loss: "Loss", fit: "FitRecord", rows: float) -> str:
    word = "R2" if loss.closed_form else "deviance explained"
    if fit.deviance is None and not loss.closed_form:
        word = "loss explained"
    fitted = "" if fit.r2 is None else f", {word} {share(fit.r2)}"
    error = f"typical error {number(fit.rmse)}"
    if loss.guess != MEAN:  # a quantile is not to be near most rows
        return f"on the rows it learnt from{fitted or f', {error}'}"
    if loss.power is None and fit.log_likelihood is not None:
        error = f"log loss {share(-fit.log_likelihood / rows)}"
    return f"on the rows it learnt from, {error}{fitted}"


def _learn(record: "Record") -> list[str]:
    lines = []
    for at, learnt in enumerate(record.learnt):
        several = len(record.learnt) > 1
        head = f"{', '.join(learnt.targets)}: " if several else ""
        if at == 0:
            reads = "one read" if learnt.reads == 1 else f"{learnt.reads} reads"
            left = left_out_told(record.rows_left_out_by_cause)
            if not left and record.rows_left_out:  # a file of an earlier version
                left = f"{record.rows_left_out:,} left out"
            rows = counting(record.rows, record.examples) + (f" ({left})" if left else "")
            read = f"{reads} of {rows}{_passes(learnt)}"
            lines += [read] if several else []
            head = head or f"{read}; "
        lines.append(f"{head}{learnt.stopped}")
        lines += _how(record, learnt)
    return lines


def _passes(learnt: "LearnRecord") -> str:
    """The passes over the rows, and the sample of the warm start, in words."""
    words = ""
    if learnt.passes >= learnt.reads:
        times = "a pass" if learnt.passes == 1 else f"{learnt.passes} passes"
        words = f", {times} over them"
    if learnt.sampled:
        words += f", begun with what a sample of {learnt.sampled:,} had learnt"
    return words


def _how(record: "Record", learnt: "LearnRecord") -> list[str]:
    lines = []
    # Left out where no step depended on it; `deltarule alpha` shows it for any table.
    if learnt.alpha is not None and learnt.alpha_limit is not None:
        lines.append(
            f"alpha (the learning rate) was {learnt.alpha:.6g}; descent settles with any below "
            f"{learnt.alpha_limit:.6g}, fastest with {learnt.alpha_fastest:.6g}"
        )
    if learnt.minimised:
        lines.append(f"minimised: {learnt.minimised}")
    elif learnt.ridge or learnt.lasso:
        # A file of an earlier version does not say it in full.
        lines.append(f"ridge {learnt.ridge:.6g}, lasso {learnt.lasso:.6g} on standardised inputs")
    gone = sum(one.weight == 0 for one in record.weights)
    if gone and learnt.minimised:
        lines.append(f"{gone:,} of {len(record.weights):,} weights are 0")
    if learnt.clusters is not None:
        lines.append(
            f"standard errors are {learnt.errors}, by {learnt.clusters:,} clusters of "
            f"{learnt.cluster_by}: they hold where the residuals of a cluster are correlated"
        )
    elif learnt.errors not in ("classical", ""):
        lines.append(
            f"standard errors are {learnt.errors}: they hold where residuals vary in size "
            "(heteroscedasticity)"
        )
    return lines
