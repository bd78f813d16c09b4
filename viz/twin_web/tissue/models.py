"""World models of scenarios, as the editor asks for them: loaded once, and by one thread at a time."""

from pathlib import Path
from threading import RLock

from twin import registry
from twin.engine.models import choices
from twin.model.contract import WorldModel
from twin.scenario.schema import Scenario

ONE_AT_A_TIME = RLock()  # loading a model and planning a run take much memory for a while


def whole_model(scenario: Scenario, folder: Path) -> WorldModel:
    """Return the world model that stands for a scenario, all of it.

    folder : where its paths start.

    Raises
    ------
    InputError
        If it cannot be loaded.
    """
    with ONE_AT_A_TIME:
        choice = next(iter(choices(scenario)))
        return registry.load_model(choice, folder)
