"""The markers of tests, set by folder and by what a test asks for, and which files are slow.

`make test-fast` leaves all of them out, and does not import files that have nothing else.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent

FIXTURES = {
    "browser": {"chromium_program", "playwright"},
    "server": {"address", "postgres", "serve", "server"},
}
"""The fixtures that mean a marker, by the marker."""

FOLDERS = {
    "engine": ("engines",),
    "server": ("serve",),
    "slow": (
        *("cli", "export", "web"),
        *("fit/test_classes.py", "fit/test_fold_refit.py", "fit/test_held_out.py"),
        *("fit/test_keep_learning.py", "fit/test_kept_summary.py", "fit/test_learn.py"),
        *("fit/test_learning_rate.py", "fit/test_losses.py", "fit/test_many_levels.py"),
        *("fit/test_many_rows.py", "fit/test_minibatch.py", "fit/test_offset.py"),
        *("fit/test_penalties.py", "fit/test_penalty_search.py", "fit/test_robust_errors.py"),
        *("fit/test_half_life.py", "fit/test_keep_sample.py"),
        *("fit/test_held_out_alarm.py", "fit/test_notes.py", "fit/test_null_model.py"),
        *("fit/test_sparse_design.py", "fit/test_where.py", "fit/test_path.py"),
        *("fit/test_few_groups.py", "fit/test_other_names.py", "tables/test_summary.py"),
        *("fit/test_separation.py", "fit/test_shuffled_folds.py", "fit/test_trials.py"),
        *("fit/test_wide.py", "fit/test_rows_kept.py", "fit/test_repeated_rows.py"),
        *("losses/test_softmax.py", "tables/test_dates.py", "tables/test_gap_classes.py"),
        "tables/test_compared_text.py",
        *("model/test_drift.py", "model/test_online.py", "model/test_prediction_intervals.py"),
        *("model/test_prediction_stream.py", "model/test_record.py"),
        *("moments/test_accumulate.py", "moments/test_folds.py", "moments/test_moments.py"),
        *("moments/test_one_hot.py", "solvers/test_closed_descent.py"),
        *("solvers/test_lasso_path.py", "solvers/test_minibatch.py"),
        *("solvers/test_box_quadratic.py", "solvers/test_convergence_rate.py"),
        *("solvers/test_one_hot_newton.py", "solvers/test_penalty.py"),
        *("tables/test_blocks.py", "tables/test_bombs.py", "tables/test_csv_lines.py"),
        *("tables/test_database.py", "tables/test_dialects.py", "tables/test_expression.py"),
        *("tables/test_database_queries.py", "tables/test_database_url.py"),
        *("tables/test_database_writing.py", "tables/test_postgres.py", "tables/test_sqlite.py"),
        *("tables/test_expression_values.py", "tables/test_expression_refused.py"),
        *("tables/test_number_text.py", "solvers/test_lasso_constraints.py"),
        "solvers/test_lasso_cv.py",
        *("tables/test_files.py", "tables/test_fuzz.py", "tables/test_json_documents.py"),
        *("tables/test_folds.py", "tables/test_frames.py", "tables/test_packed.py"),
        *("tables/test_text_alike.py", "tables/test_text_columns.py", "test_recipes.py"),
        *("tables/test_levels.py", "tables/test_schema.py", "tables/test_snapshots.py"),
        *("tables/test_kept_rows.py", "tables/test_time_zones.py", "model/test_compare_models.py"),
        *("model/test_learnt_rows.py", "test_house.py"),  # `make check` runs the last
        *("test_any_table.py", "test_bad_input.py", "test_baselines.py", "test_benchmarks.py"),
        *("test_equivalence.py", "test_estimators.py", "test_examples.py", "test_flights.py"),
        *("test_mlflow.py", "test_nonsense.py", "test_out_of_core.py", "test_readme.py"),
        *("test_results.py", "test_row_ids.py", "test_trackers.py", "test_wide_memory.py"),
        "views/test_report.py",
    ),
}
"""The folders and files of tests whose every test has a marker, by the marker."""

MARKERS = {*FIXTURES, *FOLDERS}
FAST = " and ".join(f"not {marker}" for marker in sorted(MARKERS))
"""What `make test-fast` selects by."""


def _lies_in(path: Path, places: Iterable[str]) -> bool:
    return any(path == ROOT / place or ROOT / place in path.parents for place in places)


def of_place(path: Path) -> Iterator[str]:
    """The markers of every test in a file."""
    return (marker for marker, places in FOLDERS.items() if _lies_in(path, places))


def of_fixtures(names: Iterable[str]) -> Iterator[str]:
    """The markers of a test that asks for these fixtures."""
    return (marker for marker, meaning in FIXTURES.items() if not meaning.isdisjoint(names))
