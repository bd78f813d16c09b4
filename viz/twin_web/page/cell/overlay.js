// What stands over the genes of the picture: territories of programs, their names, rings around genes.
const NAME_ROOM = 92; // px across in which a name is broken into lines
const PLACES = [0.62, 0.45, 0.8, -0.4, -0.65, 0.2]; // where a name may stand between the middle and the lower (−: the upper) end of its territory
const WORSE = 0.06; // of a name's own ground that a place must win to stand before the one that is listed before it
const OWN = 0.5; // least share of a name that stands on its own ground
const FONT = '600 10.5px system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Noto Sans CJK SC", sans-serif';
const TAG = '650 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** The borders of each program's territory as a path, in device pixels. */
export function outlinesOf(map, pitch) {
  const paths = map.programs.map(() => new Path2D());
  const of = (column, row) => {
    const gene = map.gene(column, row);
    return gene < 0 ? -1 : map.program[gene];
  };
  for (let g = 0; g < map.n; g++) {
    const [column, row, own] = [map.x[g], map.y[g], map.program[g]];
    const [left, top] = [column * pitch, row * pitch];
    for (const [dx, dy] of [[-1, 0], [1, 0], [0, -1], [0, 1]]) {
      if (of(column + dx, row + dy) === own) continue;
      const x = left + (dx > 0 ? pitch : 0), y = top + (dy > 0 ? pitch : 0);
      paths[own].moveTo(x, y);
      paths[own].lineTo(x + (dx ? 0 : pitch), y + (dy ? 0 : pitch));
    }
  }
  return paths;
}

/** Draw what stays as it is while the genes change: outlines and names. picture: a Picture that is laid out. */
export function drawFrame(context, { map, pitch, dense, outlines }) {
  context.lineCap = "square";
  context.lineWidth = Math.max(1, Math.round(dense * 0.6));
  context.strokeStyle = "rgb(190 205 235 / .2)";
  for (const path of outlines) context.stroke(path);
  context.scale(dense, dense);
  drawNames(context, map, pitch / dense);
}

/** Draw what is pointed at, marked, or has just moved. */
export function drawMarks(context, picture) {
  const { map, pitch, dense, outlines, canvas } = picture;
  if (picture.program >= 0) {
    context.strokeStyle = "rgb(255 255 255 / .92)";
    context.lineWidth = Math.round(1.4 * dense);
    context.stroke(outlines[picture.program]);
  }
  context.save();
  context.scale(dense, dense);
  const scale = pitch / dense, place = (gene) => [(map.x[gene] + 0.5) * scale, (map.y[gene] + 0.5) * scale];
  for (const gene of picture.pulses) ring(context, place(gene), 3 + 9 * picture.pulse, `rgb(255 255 255 / ${0.85 * (1 - picture.pulse)})`);
  for (const gene of picture.marked) tag(context, place(gene), map.genes[gene], canvas.width / dense);
  if (picture.hovered >= 0) ring(context, place(picture.hovered), Math.max(4, scale), "#fff");
  context.restore();
}

function ring(context, [x, y], radius, colour) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.lineWidth = 1.6;
  context.strokeStyle = colour;
  context.stroke();
}

/** A ring around a gene with its name beside it. */
function tag(context, [x, y], name, width) {
  ring(context, [x, y], 7, "rgb(0 0 0 / .7)");
  ring(context, [x, y], 6, "#fff");
  context.font = TAG;
  const long = context.measureText(name).width, isLeft = x + long + 24 > width;
  const from = isLeft ? x - long - 20 : x + 10;
  context.fillStyle = "rgb(255 255 255 / .95)";
  context.beginPath();
  context.roundRect(from, y - 10, long + 10, 20, 5);
  context.fill();
  context.fillStyle = "#10131b";
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(name, from + 5, y + 0.5);
}

/**
 * Names of programs in their territories, largest first, each where most of it is on its own ground; one that would cover
 * another or stand elsewhere is left out. A program that has no name of its own is called by its first gene alone: there is
 * little room.
 */
function drawNames(context, map, scale) {
  context.font = FONT;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const order = map.programs.map((_, i) => i).sort((a, b) => map.programs[b].known - map.programs[a].known || map.programs[b].n - map.programs[a].n);
  const taken = [];
  for (const i of order) {
    const { name, known } = map.programs[i];
    const lines = known ? broken(context, name) : [`${name.split(" ")[0]} …`], wide = Math.max(...lines.map((line) => context.measureText(line).width));
    const places = PLACES.map((down) => placed(map, i, scale, down, wide, 12 * lines.length));
    const free = places.filter(({ box, own }) => own >= OWN && !taken.some((other) => meet(box, other)));
    if (!free.length) continue;
    const worth = (place) => place.own - WORSE * places.indexOf(place);
    const { x, y, box } = free.reduce((best, place) => (worth(place) > worth(best) ? place : best));
    taken.push(box);
    lines.forEach((line, k) => {
      const down = y + 12 * (k - (lines.length - 1) / 2);
      context.lineWidth = 3;
      context.lineJoin = "round";
      context.strokeStyle = "rgb(6 8 14 / .72)";
      context.strokeText(line, x, down);
      context.fillStyle = known ? "rgb(236 240 250 / .9)" : "rgb(200 210 228 / .72)";
      context.fillText(line, x, down);
    });
  }
}

const meet = (one, other) => one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3];

/** Where a name of a size stands `down` in its territory, in the middle of its width there; what room it takes, and how much of that is its own. */
function placed(map, program, scale, down, wide, high) {
  const { centre, box: [, top, , bottom] } = map.programs[program], middle = (map.side * scale) / 2;
  const row = Math.round(centre[1] + down * (down < 0 ? centre[1] - top : bottom - centre[1])), own = [];
  for (let column = 0; column < map.side; column++) {
    const gene = map.gene(column, row);
    if (gene >= 0 && map.program[gene] === program) own.push(column);
  }
  const across = own.length ? (own[0] + own.at(-1)) / 2 : centre[0];
  const y = row * scale - high / 4; // the middle is where the light is
  const room = Math.sqrt(Math.max(0, (middle - 3) ** 2 - (Math.abs(y - middle) + high / 2) ** 2)) - wide / 2;
  const x = middle + Math.max(-room, Math.min(room, (across + 0.5) * scale - middle));
  const box = [x - wide / 2 - 2, y - high / 2 - 1, x + wide / 2 + 2, y + high / 2 + 1];
  return { x, y, box, own: ownShare(map, program, box.map((edge) => Math.round(edge / scale))) };
}

/** How much of a box of places of the map belongs to a program, 0 … 1. */
function ownShare(map, program, [left, top, right, bottom]) {
  let own = 0;
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      const gene = map.gene(column, row);
      if (gene >= 0 && map.program[gene] === program) own++;
    }
  }
  return own / ((right - left) * (bottom - top));
}

function broken(context, name) {
  const lines = [];
  for (const word of name.replaceAll(" · ", " ·\u00a0").split(" ")) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && context.measureText(longer).width <= NAME_ROOM) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
