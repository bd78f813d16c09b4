// The page around this one: what it asks for, and what it is told.

const isFramed = window.parent !== window;

function tellHost(what) {
  if (isFramed) window.parent.postMessage({ twin: "viewer", ...what }, location.origin);
}

const cameraNow = () => {
  const { azimuth, elevation, zoom: factor, focus } = camera;
  return { azimuth, elevation, zoom: factor, focus: [...focus] };
};
const nameOf = ({ id, name }) => ({ id, name });

/** A cell of a frame, in words. */
function cellOf({ future, who }) {
  const { id, branch, point } = record.futures[future], frame = state.now[future];
  const index = frame ? indexOf(frame, who) : -1;
  const told = { run: record.run, time: record.hours[state.t], compartment: record.compartment, replicate: record.replicate };
  const now = index < 0 ? {} : { cell_type: valueOf(frame, record.types, index), alive: Boolean(frame.alive[index]) };
  return { ...told, cell: String(who), future: id, branch, point, ...now };
}

const HEARD = {
  hour: (hour) => {
    if (hour !== "newest") return holdAt(at(hour));
    return holdAt(newest());
  },
  color: (name) => name !== paintNow().name && colourBy(name),
  cut: (wanted) => {
    if (wanted) Object.assign(cut, { on: true, axis: Math.max(0, AXES.indexOf(wanted.axis)), below: wanted.keep !== "above" });
    if (wanted) cut.at = wanted.at ?? middle[cut.axis];
    else cut.on = false;
    cut.show();
    recolor();
  },
  field: (wanted) => {
    if (!slice) return;
    slice.on = element("slice-on").checked = Boolean(wanted);
    const number = wanted ? record.substances.findIndex(({ name }) => name === wanted.substance) : -1;
    if (number >= 0) element("substance").value = number;
    if (wanted && wanted.axis) slice.axis = Math.max(0, AXES.indexOf(wanted.axis));
    if (wanted && (wanted.at !== undefined || wanted.axis)) slice.at = wanted.at ?? middle[slice.axis];
    slice.show();
    slice.changed();
  },
  futures: (ids) => chooseFutures(ids),
  camera: ({ azimuth, elevation, zoom: factor, focus }) => {
    Object.assign(camera, { azimuth, elevation, zoom: factor, focus: [...focus] });
    turn(0, 0);
    redraw();
  },
  speed: (n) => { element("speed").value = n; },
  play: (isOn) => play(Boolean(isOn)),
  theme: (name) => setTheme(name === "dark"),
  language: (name) => speak(name),
  picked: (wanted) => {
    const future = wanted ? record.futures.findIndex(({ id }) => id === wanted.future) : -1;
    take(future < 0 ? null : { future, who: BigInt(wanted.cell) });
  },
  refresh: () => lookForNews(),
};

listen("begun", () => window.addEventListener("message", async ({ data, origin, source }) => {
  if (origin !== location.origin || source !== window.parent || !data || data.twin !== "viewer" || !data.show) return;
  for (const [key, hear] of Object.entries(HEARD)) {
    if (data.show[key] === undefined) continue;
    isTold = true; // what it asked for is no news to it
    try {
      await hear(data.show[key]);
    } catch (error) {
      tellHost({ fault: error.message });
    } finally {
      isTold = false;
    }
  }
}));
let isTold = false;

listen("drawn", () => {
  const { futures, hours, paints, substances } = record, { cells, loadMilliseconds } = document.body.dataset;
  tellHost({ ready: {
    cells: Number(cells), futures: futures.map(nameOf), hours, paints: paints.filter(isTelling).map(({ name }) => name),
    substances: substances.map(({ name }) => name), loadMilliseconds: Number(loadMilliseconds),
  } });
});
listen("hour", (hour) => tellHost({ hour, measured: measuredUntil() }));
listen("hours", () => {
  const { hours, going } = record;
  tellHost({ hours: { first: hours[0], last: hours[hours.length - 1], n: hours.length, going } });
});
listen("futures", () => tellHost({ futures: record.futures.map(nameOf), all: record.all.map(nameOf) }));
listen("camera", () => tellHost({ camera: cameraNow() }));
listen("color", (color) => isTold || tellHost({ color }));
listen("picked", (picked) => isTold || tellHost({ picked: picked && cellOf(picked) }));
listen("fault", (fault) => tellHost({ fault }));

/** Return the hour up to which all futures that are shown were measured, or null. */
function measuredUntil() {
  const known = record.futures.map((future) => future.measured).filter((hour) => hour != null);
  return known.length > 0 ? Math.min(...known) : null;
}

/** Below the numbers of a cell: it can be looked at more closely. */
listen("described", ({ row, future, who }) => {
  const button = make(row, "button", { type: "button", id: "open" }, say("open"));
  button.addEventListener("click", () => {
    const opened = cellOf({ future, who });
    if (isFramed) return tellHost({ opened });
    const query = new URLSearchParams({ run: opened.run, cell: opened.cell, time: opened.time, branch: opened.branch });
    query.set("compartment", opened.compartment);
    window.location.assign(`/#/cell?${query}`);
  });
});
