"""A trace as a page: every step is on it, and a few lines of script show one at a time, by the arrow keys."""

from html import escape

from clearprop.lens.document.as_html import as_html, inline, page
from clearprop.lens.document.formula import plain
from clearprop.lens.trace import Trace
from clearprop.lens.trace.step import Quantity, TraceStep
from clearprop.lens.trace.write import PHASES, introduction, put_in, said, small

CSS = """
nav{position:sticky;top:0;z-index:1;background:var(--ground);border-bottom:1px solid var(--line);padding:.4rem 0}
.net{display:grid;grid-auto-flow:column;grid-template-rows:auto auto;gap:.3rem;overflow-x:auto;padding:.2rem .1rem}
.net a{display:block;border:1px solid var(--line);border-radius:6px;padding:.15rem .5rem;text-decoration:none;
white-space:nowrap;font-size:.85rem;background:var(--panel);color:var(--ink);text-align:center;align-self:center}
.net a.both{grid-row:1/3}.net a.empty{visibility:hidden}
.net a.now{outline:3px solid var(--link);outline-offset:-1px;font-weight:600}
.net a:focus-visible,button:focus-visible{outline:3px solid var(--ink)}
.keys{display:none;gap:.5rem;align-items:center;flex-wrap:wrap;margin-top:.3rem;font-size:.9rem;color:var(--faint)}
.keys button{font:inherit;padding:.25rem .7rem;border:1px solid var(--line);border-radius:6px;background:var(--panel);
color:var(--ink);cursor:pointer}
.scripted .keys{display:flex}
section{scroll-margin-top:9rem;margin:1.2rem 0;border-top:1px solid var(--line)}
.arrays{display:flex;flex-wrap:wrap;gap:.6rem;align-items:flex-start}.arrays figure{margin:0;max-width:100%}
section .phase{color:var(--faint);font-size:.85rem;margin:.6rem 0 0}
section h2{margin:.1rem 0 .4rem}
.one section{display:none}.one section.now{display:block;border:0}
.one .intro{display:none}
@media(max-width:40rem){.keys .hint{display:none}}
@media print{nav{position:static;border:0}.net,.keys{display:none!important}.one section{display:block!important}
.one .intro{display:block}section{break-inside:auto}}
"""

# One step at a time: the arrow keys, the buttons and the boxes lead from one to the next; Escape shows the whole page.
SCRIPT = """
(() => {
  const steps = [...document.querySelectorAll("section")], body = document.body;
  const boxes = [...document.querySelectorAll(".net a[href]")];
  let now = Math.max(0, steps.findIndex(step => "#" + step.id === location.hash));
  const show = (k, one, moved = true) => {
    now = Math.min(steps.length - 1, Math.max(0, k));
    body.classList.toggle("one", one);
    steps.forEach((step, i) => step.classList.toggle("now", i === now));
    boxes.forEach(box => {
      const here = box.hash === "#" + steps[now].id;
      box.classList.toggle("now", here);
      if (here) { box.setAttribute("aria-current", "step"); } else { box.removeAttribute("aria-current"); }
      if (here) {
        const strip = box.parentNode;
        strip.scrollLeft = box.offsetLeft - strip.offsetLeft - (strip.clientWidth - box.clientWidth) / 2;
      }
    });
    document.querySelector("#at").textContent = (now + 1) + " of " + steps.length;
    document.querySelector("#all").textContent = one ? "All steps" : "One step";
    if (one && moved) {
      try { history.replaceState(null, "", "#" + steps[now].id); } catch { /* a notebook's frame has no address */ }
      scrollTo(0, 0);
    }
  };
  document.querySelector("#back").onclick = () => show(now - 1, true);
  document.querySelector("#on").onclick = () => show(now + 1, true);
  document.querySelector("#all").onclick = () => show(now, !body.classList.contains("one"));
  document.addEventListener("click", event => {
    const link = event.target.closest('a[href^="#step-"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const k = steps.findIndex(step => "#" + step.id === link.hash), box = boxes.includes(link);
    show(k, box || body.classList.contains("one"));
    if (!body.classList.contains("one")) steps[k].scrollIntoView();
  });
  addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const move = {ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: steps.length - 1}[event.key];
    if (move !== undefined) { event.preventDefault(); show(move, true); }
    if (event.key === "Escape") show(now, false);
  });
  body.classList.add("scripted");
  show(now, true, false);
})();
"""


def trace_page(trace: Trace) -> str:
    """The whole page."""
    intro = f'<p class="intro">{inline(introduction(trace))} Below 0 is blue, above 0 orange.</p>'
    sections = "\n".join(_section(k, step, trace) for k, step in enumerate(trace.steps))
    head = f"<h1>{inline(trace.title)}</h1>\n{intro}"
    return page(trace.title, f"{head}\n{_strip(trace)}\n<main>\n{sections}\n</main>", CSS, SCRIPT)


def _section(k: int, step: TraceStep, trace: Trace) -> str:
    first, last = ("\n".join(map(as_html, blocks)) for blocks in (said(step), put_in(step)))
    figures = "\n".join(as_html(quantity.tensor()) for quantity in _shown(step))
    again = "" if step.phase == "update" else _elsewhere(k, step, trace)
    return (
        f'<section id="step-{k}">\n<p class="phase">{PHASES[step.phase]}</p>\n<h2>{inline(step.title)}</h2>\n'
        f'{first}\n<div class="arrays">\n{figures}\n</div>\n{again}{last}\n</section>'
    )


def _shown(step: TraceStep) -> list[Quantity]:
    """On a page where one sees a step alone, its small inputs stand again; of large arrays what is new."""
    found = [*step.inputs, *step.outputs]
    if step.phase == "update":
        return found if small(step) else []
    first = step.inputs[0] if step.inputs else None
    return [q for q in found if not q.shown or q.tensor().whole or q is first]


def _elsewhere(k: int, step: TraceStep, trace: Trace) -> str:
    """Where the arrays stand that this step does not show again."""
    where: dict[int, list[str]] = {}
    shown = {id(quantity.value) for quantity in _shown(step)}
    for quantity in step.inputs:
        if id(quantity.value) not in shown:
            i = next(i for i, other in enumerate(trace.steps[:k]) if _has(other, quantity))
            where.setdefault(i, []).append(f'<span class="m">{escape(plain(quantity.letter))}</span>')
    if not where:
        return ""
    said = (
        f"{', '.join(names)} {'are' if len(names) > 1 else 'is'} shown at "
        f'<a href="#step-{i}">{inline(trace.steps[i].title)}</a>'
        for i, names in where.items()
    )
    return f"<p>{'; '.join(said)}.</p>\n"


def _has(step: TraceStep, quantity: Quantity) -> bool:
    return any(other.value is quantity.value for other in (*step.outputs, *step.inputs))


def _strip(trace: Trace) -> str:
    """The network as boxes: forward above, backward below, the loss at the right end."""
    back = {(step.layer, step.name): k for k, step in enumerate(trace.steps) if step.phase == "backward"}
    columns = []
    for k, step in enumerate(trace.steps):
        if step.phase == "forward":
            columns.append(_box(k, step.name, f"forward through layer {step.layer}"))
            columns.append(_back_box(step, back[step.layer, step.name], trace))
    loss = next(k for k, step in enumerate(trace.steps) if step.phase == "loss")
    columns.append(_box(loss, "loss", "the loss", "both"))
    after = [
        _box(k, step.name, step.name, "both") for k, step in enumerate(trace.steps) if step.phase == "update"
    ]
    keys = (
        '<div class="keys"><button id="back">◀ back</button><button id="on">next ▶</button>'
        '<button id="all">All steps</button><span id="at"></span>'
        '<span class="hint">← and → step through the network, Esc shows all of it</span></div>'
    )
    return f'<nav aria-label="steps"><div class="net">{"".join([*columns, *after])}</div>{keys}</nav>'


def _back_box(step: TraceStep, k: int, trace: Trace) -> str:
    letters = " ".join(plain(quantity.letter) for quantity in trace.steps[k].outputs)
    return _box(k, letters or "–", f"back through layer {step.layer}")


def _box(k: int, word: str, label: str, kind: str = "") -> str:
    said = word if len(word) < 22 else f"{word[:20]}…"
    cls = f' class="{kind}"' if kind else ""
    return f'<a href="#step-{k}"{cls} aria-label="{escape(label, quote=True)}">{escape(said)}</a>'
