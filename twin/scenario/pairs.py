"""What a scenario's tables of ligands and receptors stand for: receptions and contact signals."""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from twin.data.interactions import Interaction, read_interactions, receptors_of
from twin.errors import InputError
from twin.scenario.overlay import Key
from twin.scenario.schema import Scenario
from twin.scenario.signalling import ContactSignal, Reception


def with_pairs(
    scenario: Scenario, resolve: Callable[[str], Path]
) -> tuple[Scenario | None, list[tuple[tuple[Key, ...], str]]]:
    """Return a scenario with the signals of its tables of pairs, or None and what is wrong, each with its key.

    resolve : the path that a text of the scenario names.
    """
    signalling = scenario.signalling
    faults: list[tuple[tuple[Key, ...], str]] = []
    felt, touched = list(signalling.reception), list(signalling.contact)
    for i, pairs in enumerate(signalling.pairs):
        loc: tuple[Key, ...] = ("signalling", "pairs", i)
        try:
            more = of_pairs(pairs.ligands, read_interactions(resolve(pairs.file)), scenario.substances)
        except InputError as error:
            faults.append(((*loc, "file"), str(error)))
        except ValueError as error:
            faults.append(((*loc, "ligands"), str(error)))
        else:
            felt += more[0]
            touched += more[1]
    columns = [signal.column for signal in touched]
    for column in sorted({c for c in columns if columns.count(c) > 1}):
        message = f"two contact signals would be the column {column}: keep one of them"
        faults.append((("signalling", "pairs"), message))
    if faults:
        return None, faults
    whole = signalling.model_copy(update={"reception": tuple(felt), "contact": tuple(touched)})
    return scenario.model_copy(update={"signalling": whole}), []


def of_pairs(
    ligands: Iterable[str], table: Iterable[Interaction], substances: Collection[str]
) -> tuple[list[Reception], list[ContactSignal]]:
    """Return the receptions and contact signals that ligands of a table stand for.

    Raises
    ------
    ValueError
        With the ligands that the table does not hold.
    """
    table = tuple(table)
    felt, touched, lost = [], [], []
    for ligand in ligands:
        complexes = tuple("+".join(whole) for whole in receptors_of(table, ligand))
        if not complexes:
            lost.append(ligand)
        elif ligand in substances:
            felt.append(Reception(substance=ligand, perturbation=ligand, complexes=complexes))
        else:
            touched.append(ContactSignal(ligand=ligand, complexes=complexes))
    if lost:
        raise ValueError(f"no pair of the table has the ligand {', '.join(lost)}; write it as the table does")
    return felt, touched
