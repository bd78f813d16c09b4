"""The subcommands of this package: where each one is, and what it is for. Nothing is imported here.

To add one: write its module, add its line. Other distributions bring theirs through the
entry-point group `twin.commands`.
"""

COMMANDS = {
    "demo": ("twin.cli.demo:demo", "Run the demonstration: interferon spreads through a patch of immune cells."),
    "run": ("twin.cli.run:run", "Run a scenario and leave a run store."),
    "status": ("twin.cli.status:status", "Say how far a run is, trajectory by trajectory, and how it goes on."),
    "check": ("twin.cli.check:check", "Say whether a scenario can be run, and what is wrong with it."),
    "explain": ("twin.cli.explain:explain", "Print the plan: who runs when, on what assumptions, at what cost."),
    "plan": ("twin.cli.plan:plan", "Print what a cluster would need for a tissue of any size."),
    "import": (
        "twin.cli.import_:import_",
        "Turn a project of PhysiCell or PEtab into a scenario, with a report of what came along.",
    ),
    "train": ("twin.cli.train:train", "Train a world model on AnnData files of raw counts."),
    "evaluate": ("twin.cli.evaluate:evaluate", "Score a world model on held-out cells beside its baselines."),
    "predict": ("twin.cli.predict:predict", "Predict perturbed counts for the cells of an AnnData file."),
    "sample": ("twin.cli.sample:sample", "Draw a population of cells from a world model."),
    "power": ("twin.cli.power:power", "Say how many replicates (donors) an experiment needs, from a simulated pilot."),
    "calibrate": ("twin.cli.calibrate:calibrate", "Fit how fast messages turn over, or how much donors differ."),
    "assimilate": (
        "twin.cli.assimilate:assimilate",
        "Learn parameters of a scenario from a measured snapshot, by an ensemble of finished runs.",
    ),
    "neighbours": (
        "twin.cli.neighbours:neighbours",
        "Say whether tissues of spatial data keep the neighbours that were measured.",
    ),
    "graph": ("twin.cli.graph:graph", "Write contacts, lineage, groups or organs of a run as GraphML."),
    "schema": ("twin.cli.schema:schema", "Print the JSON Schema of scenario files, for editors."),
    "verify": ("twin.cli.verify:verify", "Hold the physics to analytic and published numbers."),
    "plugins": ("twin.cli.plugins:plugins", "List plugins, world models and commands that are installed."),
}
