"""Tables and lists of molecules of any content: every molecule of a right file, or one sentence."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fuzz_files import SMILES, tables, wrecked
from support.fuzzing import AWKWARD, fuzz, sentences
from svdd.domains.molecule.chemistry import canonical
from svdd.domains.molecule.files import read_molecules

pytestmark = pytest.mark.slow


@fuzz(150)
@given(case=tables(), packed=st.booleans())
def test_every_molecule_of_a_right_file_is_read(tmp_path, case, packed):
    molecules, text, ending = case
    path = tmp_path / f"known{ending}{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert read_molecules(path) == molecules


@fuzz(200)
@given(
    content=wrecked(tables().map(lambda case: case[1])),
    ending=st.sampled_from([".smi", ".csv", ".tsv", ".txt", ".sdf", ""]),
)
def test_other_files_are_smiles_or_a_sentence(tmp_path, content, ending):
    path = tmp_path / f"given{ending}"
    path.write_bytes(content)
    with sentences():
        read = read_molecules(path)
        assert read
        assert all(one and not any(letter.isspace() for letter in one) for one in read)
        canonical(read)


@pytest.fixture(scope="module")
def sdf():
    """A right file of two molecules."""
    from rdkit import Chem

    return "".join(f"{Chem.MolToMolBlock(Chem.MolFromSmiles(one))}$$$$\n" for one in ("CCO", "c1ccccc1"))


def test_a_right_file_of_structures_is_read(tmp_path, sdf):
    path = tmp_path / "known.sdf"
    path.write_text(sdf)
    assert canonical(read_molecules(path)) == ["CCO", "c1ccccc1"]


@fuzz(60)
@given(data=st.data())
def test_files_of_structures(tmp_path, sdf, data):
    path = tmp_path / "given.sdf"
    path.write_bytes(data.draw(wrecked(st.just(sdf))))
    with sentences():
        assert read_molecules(path)


@fuzz(150)
@given(text=st.lists(SMILES | AWKWARD | st.text(max_size=6), max_size=3).map("".join))
def test_texts_are_molecules_or_none(text):
    from rdkit import Chem

    with sentences():
        for one in canonical([text]):
            assert not one or Chem.MolFromSmiles(one) is not None


@fuzz(60)
@given(smiles=SMILES, odd=st.characters(min_codepoint=128, codec="utf-8"), place=st.integers(0, 20))
def test_text_that_is_not_ascii_is_no_molecule(smiles, odd, place):
    assert not any(canonical([smiles[:place] + odd + smiles[place:]]))
