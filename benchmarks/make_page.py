"""docs/results.md, stronger-, protein-, molecule- and image-results.md, and the end of cost.md, from benchmarks/results.

    python benchmarks/make_page.py [--results DIR] [--docs DIR]

What the pages say is in benchmarks/pages; no number on them is typed by hand. The pages have figures and pictures beside them.
"""

import argparse
import json
from pathlib import Path

import jinja2
from cost_picture import picture
from images_page import IMAGES, PICTURED, images
from molecules_page import molecules
from page_case import GREEDY
from page_tables import label_and_sizes
from results_figures import against_cost, against_size, trade_off
from sequences_page import SEQUENCES, sequences
from speed_page import Speed
from stronger_page import DRAWN, PRICES, absent, stronger

from svdd.messages import number
from svdd.metrics.intervals import FEWEST

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "benchmarks" / "pages"


def pages(results):
    """The text of every page by its name; cost.md keeps what people wrote above its last section."""
    shown_by = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGES), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    shown_by.filters |= {"number": number, "label_and_sizes": label_and_sizes}
    cases = stronger(results)
    known = {
        **{page: {"cases": list(sequences(results, page)), "greedy": GREEDY, "fewest": FEWEST} for page in SEQUENCES},
        "molecule-results.md": {"models": list(molecules(results))},
        "image-results.md": {"cases": images(results)},
        "stronger-results.md": {"cases": cases, "absent": absent(cases), "fewest": FEWEST},
    }
    made = {name: shown_by.get_template(f"{name}.j2").render(**facts) for name, facts in known.items()}
    facts = Speed(results / "speed.json").facts()
    above = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8").partition("## Measured\n")[0]
    return made | {"cost.md": above + shown_by.get_template("measured.md.j2").render(**facts)}


def write_pages(results, docs):
    """Writes the pages, figures of sequences and copies of pictures."""
    (docs / "results").mkdir(parents=True, exist_ok=True)
    (docs / "pictures").mkdir(exist_ok=True)
    for name, text in pages(results).items():
        (docs / name).write_text(text, encoding="utf-8")
    panels = json.loads((results / "cost.json").read_text(encoding="utf-8"))
    (docs / "pictures" / "cost.svg").write_text(picture(panels), encoding="utf-8")
    for case in (case for page in SEQUENCES for case in sequences(results, page)):
        for title, draw in (("size", against_size), ("trade-off", trade_off)):
            (docs / "results" / f"{case.name}-{title}.svg").write_text(draw(case.table), encoding="utf-8")
    figure = against_cost([case for case in stronger(results) if case.at("filtered")], PRICES, DRAWN)
    (docs / "results" / "stronger-cost.svg").write_text(figure, encoding="utf-8")
    for file in (f"images-{name}-{label}.png" for name in IMAGES for label in PICTURED):
        (docs / "results" / file).write_bytes((results / file).read_bytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results", help="the folder of tables")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="the folder to write")
    args = parser.parse_args()
    write_pages(args.results, args.docs)


if __name__ == "__main__":
    main()
