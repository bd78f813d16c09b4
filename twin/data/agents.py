"""Constants of soluble agents that data name by an activity or a mass."""

from dataclasses import dataclass

from twin.units import Concentration


@dataclass(frozen=True)
class Agent:
    """One cytokine: what turns its doses into nM, and how strongly a dose acts.

    molar_mass : g/mol.
    specific_activity : U/mg.
    ec50 : nM, half-effect dose.
    hill : exponent of the dose curve.
    source : where the numbers come from.
    """

    molar_mass: float
    specific_activity: float | None
    ec50: float
    hill: float
    source: str


AGENTS = {
    "IFNB1": Agent(
        molar_mass=20_000.0,
        specific_activity=2.5e8,
        ec50=0.002,
        hill=1.0,
        source="mature human IFN-beta about 20 kDa, 2.5e8 U/mg (WHO standard, order of magnitude); "
        "EC50 10 U/mL and Hill exponent 1 are our choice, not fitted: one dose was measured",
    ),
}

DEFAULT_EC50_SHARE = 0.1  # EC50 as a share of the trained dose where nothing is known; our choice


def to_nanomolar(name: str, dose: Concentration) -> float:
    """Return the dose of a named agent in nM.

    Raises
    ------
    ValueError
        If a mass or an activity is given for an agent whose constants are not known.
    """
    agent = AGENTS.get(name)
    return dose.to_nanomolar(agent.molar_mass if agent else None, agent.specific_activity if agent else None, name)
