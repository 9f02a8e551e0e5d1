"""Files of sequences, molecules and receptors for fuzz tests: right ones, and what comes of them by damage."""

from hypothesis import strategies as st

from support.fuzzing import AWKWARD, damaged

LETTERS = st.text("ACGT", min_size=1, max_size=12)
SMILES = st.sampled_from(["C", "CCO", "c1ccccc1", "C[N+](C)(C)C", "[O-]C=O", "C#N", "F/C=C/F", "CC(=O)Oc1ccccc1C(=O)O"])
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
MARKS = st.sampled_from(["", "\ufeff"])
TITLES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=10)


@st.composite
def fasta(draw):
    """Records and the text of a right file of them: some line ends, blank lines, wrapped letters, a byte-order mark."""
    records = draw(st.lists(LETTERS, min_size=1, max_size=4))
    end, text = draw(ENDS), draw(MARKS) + draw(st.sampled_from(["", "\n"]))
    for letters in records:
        cut = draw(st.integers(0, len(letters)))
        lines = [f">{draw(TITLES)}", *filter(None, [letters[:cut], letters[cut:]])]
        text += end.join([*lines, *[""] * draw(st.integers(1, 2))])
    return records, text


@st.composite
def tables(draw):
    """SMILES, the text of a right table or list of them, and the ending that it needs."""
    molecules, end = draw(st.lists(SMILES, min_size=1, max_size=4)), draw(ENDS)
    ending = draw(st.sampled_from([".smi", ".txt", ".smiles", ".csv", ".tsv", ".CSV", ".SMI"]))
    separator = {".csv": ",", ".tsv": "\t"}.get(ending.lower())
    if separator is None:
        lines = [f"{one} {draw(st.sampled_from(['', 'a name', '12']))}".rstrip() for one in molecules]
    else:
        lines = [separator.join(["id", draw(st.sampled_from(["smiles", "SMILES", "Smiles"])), "reward"])]
        lines += [separator.join([str(row), one, "0.5"]) for row, one in enumerate(molecules)]
    return molecules, draw(MARKS) + end.join(lines) + end, ending


def _atom(number, x, y, z, kind="C "):
    return f"ATOM  {number:5d}  CA  ALA A{number:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00     0.100 {kind}"


@st.composite
def receptors(draw):
    """The text of a right receptor in PDBQT, with hydrogens."""
    places = st.floats(-50, 50)
    atoms = [_atom(n, draw(places), draw(places), draw(places)) for n in range(1, draw(st.integers(2, 5)))]
    hydrogen = _atom(9, 0.0, 0.0, 0.0).replace(" CA ", " HN ")[:-2] + "HD"
    return "\n".join(["REMARK  a receptor", *atoms, hydrogen, draw(st.sampled_from(["TER", "END", ""]))]) + "\n"


@st.composite
def without_hydrogens(draw):
    """The text of a receptor with an oxygen and enough other atoms to tell that its hydrogens are missing."""
    places = st.floats(-20, 20)
    kinds = ["OA", *draw(st.lists(st.sampled_from(["C ", "A ", "N ", "NA", "OA", "SA"]), min_size=8, max_size=12))]
    return "".join(f"{_atom(n, n, draw(places), draw(places), kind)}\n" for n, kind in enumerate(kinds))


def wrecked(whole):
    """Damaged texts of right files, other text, or any bytes, as bytes."""
    texts = damaged(whole) | AWKWARD | st.text(max_size=40)
    encoded = st.tuples(texts, st.sampled_from(["utf-8", "utf-16", "latin-1", "utf-8-sig"]))
    return encoded.map(lambda pair: pair[0].encode(pair[1], "replace")) | st.binary(max_size=60)
