// What the page says, in English.
"use strict";

const ENGLISH = {
  "name": "English",
  "light": "☀ light", "dark": "☾ dark", "theme": "Switch between light and dark", "language": "Language",
  "tissue": "Tissue", "shown": "What is shown",
  "keys": "drag: turn · Shift or right drag: move · wheel, + −: zoom · double click, 0: reset · click: a cell · space: play"
    + " · ← →: time · Shift with arrows: turn",
  "noscript": "This page draws its picture with JavaScript, which is switched off here.",
  "play": "Play", "pause": "Pause", "time": "Time", "speed": "speed", "speed.about": "Kept times shown in a second",
  "speed.of": "{n} times a second", "loading": "loading {i} of {n}", "loading.colour": "reading {name}",
  "colour": "Colour", "categories": "Categories, shown or hidden", "types": "Cell types", "types.about": "Cell types, shown or hidden",
  "course": "Over time", "cell": "Cell", "substance": "Substance", "slice.axis": "Axis of the slice",
  "slice.place": "Place of the slice", "slice.cut": "Cut the cells open here", "cut": "Cut open", "cut.axis": "Axis of the cut",
  "cut.side": "Which part stays", "cut.place": "Place of the cut", "across": "across {axis}", "keep.below": "keep {axis} ≤ this",
  "keep.above": "keep {axis} ≥ this", "logarithmic": "{name} ({units}), logarithmic",
  "hours": "{n} h", "hours.axis": "time (h)", "late": "beyond the assay: extrapolated", "late.after": "after {time}: {late}",
  "cells": "{n} cells", "cells.one": "1 cell", "cells.some": "{shown} of {n} cells shown", "cells.none": "no cells were kept at this time",
  "dead": "dead", "no value": "no value", "or": "{a}, or {b}", "grey": "grey: {what}", "hide": "hide", "show": "show",
  "course.counts": "Cells over time, by {what}", "course.means": "Mean {what} over time, by cell type",
  "group.type": "cells", "group.gene": "genes and programs", "group.state": "states and columns",
  "cell.none": "Click a cell to see its numbers and to follow it over time.", "cell.who": "cell {id}", "cell.radius": "radius (µm)",
  "cell.place": "place x, y, z (µm)", "cell.alive": "alive", "yes": "yes", "no": "no", "cell.clear": "Clear",
  "cell.genes": "genes and programs: log(1 + counts per 10,000)",
  "cell.gone": "It is not there at {time}; it was seen from {first} to {last}.", "cell.course": "{what} of cell {id} over time",
  "canvas": "Cells of {title} in space; click one to see its numbers",
  "about.run": "run {of}", "about.replicate": "replicate {of}", "about.compartment": "compartment {of}",
  "about.scenario": "scenario {of}", "about.seed": "seed {of}", "about.model": "world model {of}", "about.twin": "twin {of}",
  "notes": "{n} kept times. One colour scale for all times. Places are exact to {resolution} µm, numbers to 1/65534 of their range.",
  "notes.futures": "{n} kept times. One colour scale for all times and futures. Places are exact to {resolution} µm, numbers to"
    + " 1/65534 of their range.",
  "old": "This browser cannot unpack the page's data: open it in Chrome or Edge 80, Firefox 113, Safari 16.4, or newer.",
  "flat": "This page draws with WebGL2, which this browser does not offer: switch on hardware acceleration in its settings, or"
    + " open the page in another browser.",
  "damaged": "This page is damaged or was cut short ({why}): export it anew.",
};
