// Programs of the graphics card.

const CELL_VERTEX = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;
uniform usampler2D uPlace, uInfo; // of each cell: place in shares of the box, radius in shares of the largest; code,
uniform sampler2D uTable, uKinds; // type, whether alive
uniform vec3 uLow, uSize, uFocus, uMiddle, uRight, uUp, uToward;
uniform vec2 uScale, uShift; // µm to clip space
uniform float uRadius, uReach;
uniform vec4 uRange; // least, most; ends of the colour bar
uniform bool uNumber, uBodies, uDead;
uniform vec3 uNothing, uCut; // axis, place, side: 0 none, 1 keeps below, 2 above
flat out vec3 vColor;
flat out vec2 vDepth;
out vec2 vCorner;
ivec2 cellOf(uint number) { return ivec2(int(number) & 255, int(number) >> 8); }
// A triangle about the circle, three corners a cell: no instances, for software draws each of those on its own.
const vec2 CORNERS[3] = vec2[3](vec2(0.0, 2.0), vec2(-1.7320509, -1.0), vec2(1.7320509, -1.0));
void main() {
  gl_Position = vec4(0.0, 0.0, 2.0, 1.0); // outside, unless it stays
  int cell = gl_VertexID / 3;
  vec2 corner = CORNERS[gl_VertexID - 3 * cell];
  ivec2 at = ivec2(cell & 2047, cell >> 11);
  vec4 place = vec4(texelFetch(uPlace, at, 0)) / 65534.0;
  uvec4 info = texelFetch(uInfo, at, 0);
  uint code = info.x, kind = info.y, alive = info.z;
  vec3 point = uLow + place.xyz * uSize;
  float radius = place.w * uRadius;
  vColor = uNothing; vDepth = vec2(0.0); vCorner = corner;
  if (alive == 0u && !uDead) return;
  if (texelFetch(uKinds, cellOf(kind), 0).a < 0.5) return;
  float along = uCut.x < 0.5 ? point.x : uCut.x < 1.5 ? point.y : point.z;
  if (uCut.z > 0.5 && (uCut.z < 1.5 ? along > uCut.y : along < uCut.y)) return;
  if (code != 65535u && (alive > 0u || uBodies)) {
    if (!uNumber) {
      vec4 color = texelFetch(uTable, cellOf(code), 0);
      if (color.a < 0.5) return;
      vColor = color.rgb;
    } else {
      float value = uRange.x + float(code) / 65534.0 * (uRange.y - uRange.x);
      float share = clamp((value - uRange.z) / (uRange.w - uRange.z), 0.0, 1.0);
      vColor = texelFetch(uTable, ivec2(int(share * 255.0 + 0.5), 0), 0).rgb;
    }
  }
  vec3 off = point - uFocus;
  vec2 seen = vec2(dot(off, uRight), dot(off, uUp)) + corner * radius;
  float near = dot(point - uMiddle, uToward);
  vDepth = vec2(near, radius);
  gl_Position = vec4(seen * uScale + uShift, -near / uReach, 1.0);
}`;

const CELL_FRAGMENT = `#version 300 es
precision highp float;
flat in vec3 vColor;
flat in vec2 vDepth;
in vec2 vCorner;
uniform float uReach;
out vec4 color;
void main() {
  float away = dot(vCorner, vCorner);
  if (away > 1.0) discard;
  float up = sqrt(1.0 - away);
  // the height of the sphere above its middle, so that spheres that meet cut each other where they should
  gl_FragDepth = 0.5 - 0.5 * (vDepth.x + vDepth.y * up) / uReach;
  vec3 normal = vec3(vCorner, up);
  float light = max(dot(normal, normalize(vec3(-0.45, 0.6, 0.85))), 0.0);
  float shade = 0.52 + 0.64 * light; // 1 where a sphere faces the viewer: its colour is the legend's there
  float shine = 0.16 * pow(max(dot(normal, normalize(vec3(-0.26, 0.34, 0.9))), 0.0), 40.0);
  float rim = mix(0.8, 1.0, smoothstep(0.0, 0.5, up));
  color = vec4(min(vColor * shade * rim + shine, 1.0), 1.0);
}`;

const FULL_VERTEX = `#version 300 es
void main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0); }`;

// Darkens what lies behind something near it in the picture, which tells depth where there is no perspective, and
// makes one pixel of several samples. Alpha of what was drawn: 1 cells, between that and 0 the slice, 0 nothing.
const SHADE_FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler2D;
uniform sampler2D uColor, uDepth;
uniform float uReach, uFall, uWide; // µm; µm that darken fully; samples
uniform int uEach, uTaps; // samples along a pixel's edge; how many places around are looked at
uniform vec3 uGround;
out vec4 color;
const vec2 AROUND[12] = vec2[12](vec2(1, 0), vec2(-1, 0), vec2(0, 1), vec2(0, -1), vec2(.92, .38), vec2(-.38, .92),
  vec2(-.92, -.38), vec2(.38, -.92), vec2(.56, .56), vec2(-.56, .56), vec2(-.56, -.56), vec2(.56, -.56));
void main() {
  ivec2 last = textureSize(uColor, 0) - 1;
  ivec2 first = ivec2(gl_FragCoord.xy) * uEach;
  vec4 sum = vec4(0.0);
  float far = 2.0 * uReach / uFall;
  for (int j = 0; j < uEach; j++) for (int i = 0; i < uEach; i++) {
    ivec2 at = min(first + ivec2(i, j), last);
    vec4 here = texelFetch(uColor, at, 0);
    if (here.a == 0.0) continue;
    if (here.a < 0.9) { sum += vec4(here.rgb, 1.0); continue; }
    float depth = texelFetch(uDepth, at, 0).r, dark = 0.0;
    for (int k = 0; k < uTaps; k++) {
      vec2 off = AROUND[k] * (k < 4 ? 1.4 * float(uEach) : uWide);
      float other = texelFetch(uDepth, clamp(at + ivec2(off), ivec2(0), last), 0).r;
      dark += (k < 4 ? 1.0 : 0.7) * clamp((depth - other) * far, 0.0, 1.0);
    }
    float mist = 0.14 * smoothstep(0.3, 0.9, depth);
    sum += vec4(mix(here.rgb * exp(-0.1 * dark), uGround, mist), 1.0);
  }
  color = sum / float(uEach * uEach);
}`;

const PLANE_VERTEX = `#version 300 es
layout(location = 0) in vec3 point;
layout(location = 1) in vec2 texel;
uniform vec3 uFocus, uMiddle, uRight, uUp, uToward;
uniform vec2 uScale, uShift;
uniform float uReach;
out vec2 vTexel;
void main() {
  vec3 off = point - uFocus;
  vTexel = texel;
  float near = dot(point - uMiddle, uToward);
  gl_Position = vec4(vec2(dot(off, uRight), dot(off, uUp)) * uScale + uShift, -near / uReach, 1.0);
}`;

const PLANE_FRAGMENT = `#version 300 es
precision highp float;
in vec2 vTexel;
uniform sampler2D uTable;
out vec4 color;
void main() { color = vec4(texture(uTable, vTexel).rgb, 0.5); }`;
