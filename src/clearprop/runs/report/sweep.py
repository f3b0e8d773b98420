"""What a report of a sweep begins with: its trials, best first, and how they depend on their settings."""

from clearprop.errors import ClearpropError
from clearprop.lens.style import new_axes, styled
from clearprop.lens.sweeps import plot_importances, plot_parallel
from clearprop.runs.compare import setting_text, short_names
from clearprop.runs.figures import figure
from clearprop.runs.folder import RunFolder
from clearprop.runs.outcomes import best_first
from clearprop.runs.report.figure import HEIGHT, WIDTH, Figures
from clearprop.runs.report.html import Markup, element, joined, more, paragraphs, table
from clearprop.runs.report.section import Section
from clearprop.runs.sweep import Sweep, read_sweep

FEWEST = 4  # finished trials, from which on importances say something
SHARES = (
    "How much of the variance among the finished trials each setting explains for itself (fANOVA: a random forest "
    "is fitted to them). With few trials it is a hint, no more."
)


def sweep_section(folder: RunFolder, figures: Figures) -> Section:
    """The trials as a table and as lines, and the settings' importances."""
    try:
        sweep = read_sweep(folder)
        body = joined([_trials(sweep), _lines(sweep, figures), _importances(sweep, figures)])
    except ClearpropError as error:
        body = paragraphs(str(error))
    return Section("sweep", "Sweep", body)


def _trials(sweep: Sweep) -> Markup:
    search, keys = sweep.search, list(sweep.search.space)
    head = ["trial", *short_names(keys), _words(sweep), "epochs", "state"]
    rows = [
        [
            f"{one.number:03d}",
            *(setting_text(one.choice.get(key)) for key in keys),
            "" if one.value is None else figure(one.value),
            str(one.summary.get("epochs", "")),
            one.summary["status"],
        ]
        for one in best_first(sweep.outcomes, search)
    ]
    reasons = [
        f"{one.folder.name}: {one.summary['reason']}" for one in sweep.outcomes if one.summary.get("reason")
    ]
    ended = sum(one.summary["status"] in ("finished", "pruned", "diverged") for one in sweep.outcomes)
    said = f"{ended} of {search.trials} trials are done; sampler {search.sampler.name}, pruner {search.pruner.name}."
    listed = element("ul", [element("li", reason) for reason in reasons])
    whose = (
        "one of them did not go to its end"
        if len(reasons) == 1
        else f"{len(reasons)} of them did not go to their end"
    )
    why = more(f"Why {whose}", listed) if reasons else ""
    return joined([paragraphs(said), table(head, rows, says="The trials, best first", numbers=1), why])


def _lines(sweep: Sweep, figures: Figures) -> Markup:
    found = [one for one in sweep.outcomes if one.value is not None]
    if not found:
        return paragraphs("No trial has come to a number so far.")
    keys = list(sweep.search.space)
    rows = [[_drawn(one.choice.get(key)) for key in keys] for one in found]
    values = [one.value for one in found if one.value is not None]
    with styled():
        axes = new_axes(max(WIDTH, 1.3 * (len(keys) + 1)), HEIGHT)
        plot_parallel(axes, short_names(keys), rows, values, _words(sweep), maximize=sweep.search.maximize)
    return figures.figure(axes, f"Each trial a line; bright is a good {_words(sweep)}", paper=True)


def _drawn(value: object) -> object:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else setting_text(value)


def _importances(sweep: Sweep, figures: Figures) -> Markup:
    done = sum(one.summary["status"] == "finished" for one in sweep.outcomes)
    if len(sweep.search.space) < 2 or done < FEWEST:
        return Markup("")
    try:
        shares = sweep.importances()
    except ClearpropError as error:
        return paragraphs(str(error))
    named = dict(zip(short_names(list(shares)), shares.values(), strict=True))
    with styled():
        axes = plot_importances(new_axes(WIDTH, 0.8 + 0.4 * len(named)), named)
    return joined([figures.figure(axes, "Which settings matter"), paragraphs(SHARES)])


def _words(sweep: Sweep) -> str:
    return (sweep.search.metric or "loss").replace("_", " ")
