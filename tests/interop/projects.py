"""Small projects in PhysiCell's format, written for these tests."""

from pathlib import Path

SUBSTRATE = """\
    <variable name="{name}" units="{units}" ID="0">
      <physical_parameter_set>
        <diffusion_coefficient units="micron^2/min">{diffusion}</diffusion_coefficient>
        <decay_rate units="1/min">0.1</decay_rate>
      </physical_parameter_set>
      <initial_condition units="{units}">{initial}</initial_condition>
      {walls}
    </variable>
"""

CELL = """\
    <cell_definition name="{name}" ID="{number}" {more}>
      <phenotype>
        {phenotype}
      </phenotype>
      {custom}
    </cell_definition>
"""

SETTINGS = """\
<PhysiCell_settings version="devel-version">
  <domain>
    <x_min>-100</x_min><x_max>100</x_max><y_min>-60</y_min><y_max>60</y_max><z_min>-20</z_min><z_max>20</z_max>
    <dx>20</dx><dy>20</dy><dz>20</dz><use_2D>{flat}</use_2D>
  </domain>
  <overall>
    <max_time units="min">60</max_time><time_units>min</time_units><space_units>micron</space_units>
    <dt_diffusion units="min">0.01</dt_diffusion><dt_mechanics units="min">0.1</dt_mechanics>
    <dt_phenotype units="min">6</dt_phenotype>
  </overall>
  <parallel><omp_num_threads>4</omp_num_threads></parallel>
  <save><folder>output</folder><full_data><interval units="min">30</interval><enable>true</enable></full_data></save>
  <options><virtual_wall_at_domain_edge>true</virtual_wall_at_domain_edge></options>
  <microenvironment_setup>
{substrates}
    <options><calculate_gradients>true</calculate_gradients></options>
  </microenvironment_setup>
  <cell_definitions>
{cells}
  </cell_definitions>
  <initial_conditions>
    <cell_positions type="csv" enabled="{table}">
      <folder>./config</folder><filename>cells.csv</filename>
    </cell_positions>
  </initial_conditions>
  <cell_rules><rulesets>
    <ruleset protocol="CBHG" version="3.0" format="csv" enabled="{ruled}">
      <folder>./config</folder><filename>cell_rules.csv</filename>
    </ruleset>
  </rulesets></cell_rules>
  <user_parameters>
    <random_seed type="int" units="dimensionless">7</random_seed>
    <number_of_cells type="int" units="none">{scattered}</number_of_cells>
  </user_parameters>
</PhysiCell_settings>
"""

LIFE = """\
<cycle code="5" name="live"><phase_transition_rates units="1/min">
  <rate start_index="0" end_index="0" fixed_duration="false">0.00072</rate>
</phase_transition_rates></cycle>
<death>
  <model code="100" name="apoptosis">
    <death_rate units="1/min">5.31667e-05</death_rate>
    <phase_durations units="min"><duration index="0" fixed_duration="true">516</duration></phase_durations>
    <parameters>
      <unlysed_fluid_change_rate units="1/min">0.05</unlysed_fluid_change_rate>
      <lysed_fluid_change_rate units="1/min">0</lysed_fluid_change_rate>
      <cytoplasmic_biomass_change_rate units="1/min">1.66667e-02</cytoplasmic_biomass_change_rate>
      <nuclear_biomass_change_rate units="1/min">5.83333e-03</nuclear_biomass_change_rate>
      <calcification_rate units="1/min">0</calcification_rate>
      <relative_rupture_volume units="dimensionless">2.0</relative_rupture_volume>
    </parameters>
  </model>
</death>
<volume>
  <total units="micron^3">2494</total><fluid_fraction units="dimensionless">0.75</fluid_fraction>
  <nuclear units="micron^3">540</nuclear>
</volume>
<mechanics>
  <cell_cell_adhesion_strength units="micron/min">0.4</cell_cell_adhesion_strength>
  <cell_cell_repulsion_strength units="micron/min">10.0</cell_cell_repulsion_strength>
  <relative_maximum_adhesion_distance units="dimensionless">1.25</relative_maximum_adhesion_distance>
</mechanics>
"""

KI67 = """\
<cycle code="1" name="Ki67 (basic)"><phase_durations units="min">
  <duration index="0" fixed_duration="true">600</duration><duration index="1" fixed_duration="true">930</duration>
</phase_durations></cycle>
"""

MOTILITY = """\
<motility>
  <speed units="micron/min">2</speed><persistence_time units="min">5</persistence_time>
  <migration_bias units="dimensionless">0.75</migration_bias>
  <options>
    <enabled>true</enabled><use_2D>{flat}</use_2D>
    <chemotaxis><enabled>{simple}</enabled><substrate>chemokine</substrate><direction>-1</direction></chemotaxis>
    <advanced_chemotaxis>
      <enabled>{advanced}</enabled><normalize_each_gradient>false</normalize_each_gradient>
      <chemotactic_sensitivities>
        <chemotactic_sensitivity substrate="oxygen">0.5</chemotactic_sensitivity>
        <chemotactic_sensitivity substrate="chemokine">2</chemotactic_sensitivity>
      </chemotactic_sensitivities>
    </advanced_chemotaxis>
  </options>
</motility>
"""

SECRETION = """\
<secretion>
  <substrate name="oxygen">
    <secretion_rate units="1/min">0</secretion_rate><secretion_target units="substrate density">1</secretion_target>
    <uptake_rate units="1/min">10</uptake_rate><net_export_rate units="total substrate/min">0</net_export_rate>
  </substrate>
  <substrate name="chemokine">
    <secretion_rate units="1/min">0.5</secretion_rate><secretion_target units="substrate density">2</secretion_target>
    <uptake_rate units="1/min">0</uptake_rate><net_export_rate units="total substrate/min">100</net_export_rate>
  </substrate>
</secretion>
"""

ATTACK = """\
<cell_interactions>
  <apoptotic_phagocytosis_rate units="1/min">0.01</apoptotic_phagocytosis_rate>
  <attack_rates><attack_rate name="default" units="1/min">0.1</attack_rate></attack_rates>
  <attack_damage_rate units="1/min">2</attack_damage_rate><attack_duration units="min">15</attack_duration>
</cell_interactions>
<cell_transformations><transformation_rates>
  <transformation_rate name="default" units="1/min">0.001</transformation_rate>
</transformation_rates></cell_transformations>
<cell_integrity><damage_rate units="1/min">0</damage_rate><damage_repair_rate units="1/min">0.004</damage_repair_rate>
</cell_integrity>
"""

HELD = """<Dirichlet_boundary_condition units="mmHg" enabled="true">38</Dirichlet_boundary_condition>
      <Dirichlet_options><boundary_value ID="xmin" enabled="false">0</boundary_value>
      <boundary_value ID="xmax" enabled="true">20</boundary_value></Dirichlet_options>"""

OXYGEN = SUBSTRATE.format(name="oxygen", units="mmHg", diffusion="100000.0", initial="38.0", walls=HELD)
OPEN = """<Dirichlet_boundary_condition units="dimensionless" enabled="false">0</Dirichlet_boundary_condition>"""
CHEMOKINE = SUBSTRATE.format(name="chemokine", units="dimensionless", diffusion="1000", initial="0", walls=OPEN)

TUMOUR = CELL.format(name="default", number=0, more="", phenotype=LIFE + SECRETION, custom="")
KILLER = CELL.format(
    name="killer",
    number=1,
    more='parent_type="default"',
    phenotype=KI67 + MOTILITY.format(flat="false", simple="false", advanced="true") + ATTACK,
    custom='<custom_data><mood units="dimensionless" conserved="false">2.5</mood></custom_data>',
)

RULES = """\
// how killers behave
killer,oxygen,decreases,migration speed,0.5,5,4,0
killer,chemokine,increases,attack default,1,0.5,4,0
default,contact with killer,increases,apoptosis,0.01,1,4,0
default,damage,increases,apoptosis,0.1,5,8,0
"""

CELLS = "0,0,0,0\n-99,10,0,0\n40.5,-20,5,1\n"


def write_project(
    folder: Path,
    *,
    flat: bool = False,
    cells: str | None = CELLS,
    rules: str | None = None,
    definitions: str = TUMOUR + KILLER,
    substrates: str = OXYGEN + CHEMOKINE,
    scattered: int = 0,
    more: str = "",
) -> Path:
    """Write a project and return its folder; `more` stands at the end of the settings."""
    config = folder / "config"
    config.mkdir(parents=True)
    text = SETTINGS.format(
        flat=str(flat).lower(),
        substrates=substrates,
        cells=definitions,
        table=str(cells is not None).lower(),
        ruled=str(rules is not None).lower(),
        scattered=scattered,
    )
    (config / "PhysiCell_settings.xml").write_text(
        text.replace("</PhysiCell_settings>", f"{more}</PhysiCell_settings>")
    )
    if cells is not None:
        (config / "cells.csv").write_text(cells)
    if rules is not None:
        (config / "cell_rules.csv").write_text(rules)
    return folder
