// Draws cells and slices of all panels into one canvas, which is clear where there are none.

const CONTEXT = { antialias: false, depth: false, powerPreference: "high-performance" };
const ROW = 2048; // cells a row of a texture; the program of the cells has it, too

class Painter {
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", CONTEXT);
    this.gl = gl;
    this.canvas = canvas;
    this.cells = this.program(CELL_VERTEX, CELL_FRAGMENT);
    this.shade = this.program(FULL_VERTEX, SHADE_FRAGMENT);
    this.plane = this.program(PLANE_VERTEX, PLANE_FRAGMENT);
    this.panels = [];
    this.seat(record.futures.length);
    this.table = gl.createTexture(); // colours of the paint
    this.kinds = gl.createTexture(); // which cell types are shown
    this.target = null;
    this.wide = gl.createBuffer();
    this.wideArray = gl.createVertexArray();
    gl.bindVertexArray(this.wideArray);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.wide);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 20, 0);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 2, gl.FLOAT, false, 20, 12);
    this.empty = gl.createVertexArray();
  }

  program(vertex, fragment) {
    const gl = this.gl;
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      const told = gl.getAttachedShaders(program).map((s) => gl.getShaderInfoLog(s)).join(" ");
      throw new Error(`${gl.getProgramInfoLog(program)} ${told}`);
    }
    const at = {};
    for (let i = 0; i < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); i++) {
      const { name } = gl.getActiveUniform(program, i);
      at[name.replace("[0]", "")] = gl.getUniformLocation(program, name);
    }
    return { program, at };
  }

  /** Have so many panels. */
  seat(n) {
    while (this.panels.length < n) {
      const [place, info, slice] = [0, 1, 2].map(() => this.gl.createTexture());
      this.panels.push({ place, info, slice, n: 0, frame: null, code: null, hasSlice: false });
    }
    for (const { place, info, slice } of this.panels.splice(n)) {
      for (const texture of [place, info, slice]) this.gl.deleteTexture(texture);
    }
  }

  /** Hand the cells of a frame to the card; what is there already is not sent again. */
  load(i, frame, paint) {
    const panel = this.panels[i], code = frame && codesOf(frame, paint);
    if (frame && panel.frame !== frame) this.numbers(panel.place, frame.place, frame.n);
    if (frame && (panel.frame !== frame || panel.code !== code)) {
      const info = new Uint16Array(4 * frame.n), kind = codesOf(frame, record.types);
      for (let k = 0; k < frame.n; k++) info[4 * k] = code[k], info[4 * k + 1] = kind[k], info[4 * k + 2] = frame.alive[k];
      this.numbers(panel.info, info, frame.n);
    }
    Object.assign(panel, { n: frame ? frame.n : 0, frame, code });
  }

  /** Fill a texture with four 16-bit numbers a cell. */
  numbers(texture, values, n) {
    const gl = this.gl, rows = Math.max(1, Math.ceil(n / ROW)), all = new Uint16Array(4 * ROW * rows);
    all.set(values);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA16UI, ROW, rows, 0, gl.RGBA_INTEGER, gl.UNSIGNED_SHORT, all);
    this.plain();
  }

  /** No blending of neighbours in the bound texture. */
  plain() {
    const gl = this.gl;
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
  }

  /** Fill a texture of 256 a row. rgba : bytes, four an entry. */
  fill(texture, rgba) {
    const gl = this.gl, rows = Math.max(1, Math.ceil(rgba.length / 1024));
    const all = new Uint8Array(1024 * rows);
    all.set(rgba);
    this.image(texture, all, 256, rows);
  }

  image(texture, rgba, width, height) {
    const gl = this.gl;
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
    this.plain();
  }

  /** Make where cells are drawn to before they are shaded, of the size that is needed. */
  aim(width, height) {
    const gl = this.gl;
    if (this.target && this.target.width === width && this.target.height === height) return;
    if (this.target) {
      gl.deleteFramebuffer(this.target.frame);
      gl.deleteTexture(this.target.color);
      gl.deleteTexture(this.target.depth);
    }
    const [color, depth, frame] = [gl.createTexture(), gl.createTexture(), gl.createFramebuffer()];
    this.image(color, null, width, height);
    gl.bindTexture(gl.TEXTURE_2D, depth);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.DEPTH_COMPONENT24, width, height);
    this.plain();
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, color, 0);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.TEXTURE_2D, depth, 0);
    this.target = { color, depth, frame, width, height };
  }

  /**
   * shown : {panels, scale (px a µm), ratio (px of the canvas a px of the page), each (samples along a pixel's edge),
   * taps, cut, paint, number (of the paint), dead, nothing, ground}.
   */
  draw(shown) {
    const gl = this.gl, { panels, scale, ratio, each } = shown;
    const { width, height } = this.canvas;
    this.aim(width * each, height * each);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target.frame);
    gl.viewport(0, 0, this.target.width, this.target.height);
    gl.clearColor(0, 0, 0, 0);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    panels.forEach((panel, i) => {
      this.drawSlice(shown, panel, i);
      this.drawCells(shown, panel, i);
    });
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, width, height);
    gl.disable(gl.DEPTH_TEST);
    const { program, at } = this.shade;
    gl.useProgram(program);
    this.bind(at.uColor, 0, this.target.color);
    this.bind(at.uDepth, 1, this.target.depth);
    gl.uniform1i(at.uEach, each);
    gl.uniform1i(at.uTaps, shown.taps);
    gl.uniform1f(at.uReach, reach);
    gl.uniform1f(at.uFall, record.radius);
    gl.uniform1f(at.uWide, each * Math.min(16, Math.max(2, 0.4 * record.radius * scale * ratio)));
    gl.uniform3fv(at.uGround, shown.ground);
    gl.bindVertexArray(this.empty);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** Come back when all is drawn. */
  wait() {
    this.gl.readPixels(0, 0, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  bind(uniform, unit, texture) {
    const gl = this.gl;
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.uniform1i(uniform, unit);
  }

  /** Draw into a panel alone, as the camera sees it. */
  within(program, panel, { scale, ratio, each }) {
    const gl = this.gl, { at } = program, all = ratio * each;
    gl.useProgram(program.program);
    const [left, right] = [panel.left * all, (panel.left + panel.width) * all].map(Math.round);
    const [top, bottom] = [panel.top * all, (panel.top + panel.height) * all].map(Math.round);
    gl.viewport(left, this.target.height - bottom, right - left, bottom - top);
    gl.uniform3fv(at.uFocus, camera.focus);
    gl.uniform3fv(at.uMiddle, middle);
    gl.uniform3fv(at.uRight, camera.right);
    gl.uniform3fv(at.uUp, camera.up);
    gl.uniform3fv(at.uToward, camera.toward);
    gl.uniform2f(at.uScale, (2 * scale) / panel.width, (2 * scale) / panel.height);
    gl.uniform2f(at.uShift, 0, 1 - (2 * centreOf(panel)) / panel.height);
    gl.uniform1f(at.uReach, reach);
  }

  drawCells(shown, panel, i) {
    const gl = this.gl, own = this.panels[i], { at } = this.cells, { paint, cut } = shown;
    if (!own.n) return;
    this.within(this.cells, panel, shown);
    const { frame } = own, [least, most] = frame.ranges[shown.number] || [0, 1];
    gl.uniform3fv(at.uLow, frame.low);
    gl.uniform3fv(at.uSize, frame.size);
    gl.uniform1f(at.uRadius, frame.largest);
    gl.uniform1i(at.uNumber, paint.names ? 0 : 1);
    gl.uniform4f(at.uRange, least ?? 0, most ?? 1, paint.low ?? 0, paint.high ?? 1);
    gl.uniform1i(at.uBodies, paint.bodies ? 1 : 0);
    gl.uniform1i(at.uDead, shown.dead ? 1 : 0);
    gl.uniform3fv(at.uNothing, shown.nothing);
    gl.uniform3f(at.uCut, cut.axis, cut.at, cut.on ? (cut.below ? 1 : 2) : 0);
    this.bind(at.uTable, 0, this.table);
    this.bind(at.uKinds, 1, this.kinds);
    this.bind(at.uPlace, 2, own.place);
    this.bind(at.uInfo, 3, own.info);
    gl.bindVertexArray(this.empty);
    gl.drawArrays(gl.TRIANGLES, 0, 3 * own.n);
  }

  drawSlice(shown, panel, i) {
    const gl = this.gl, own = this.panels[i];
    if (!own.hasSlice) return;
    this.within(this.plane, panel, shown);
    this.bind(this.plane.at.uTable, 0, own.slice);
    gl.bindVertexArray(this.wideArray);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.wide);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(own.quad), gl.DYNAMIC_DRAW);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }
}
