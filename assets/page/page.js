/* The page's own behaviour: the map, clicks on pieces of HTML, keys. Loaded once; every gr.HTML mounts through it. */
window.recmas = (() => {
  "use strict";

  const KEYS = {
    s: "recmas-step", r: "recmas-round", g: "recmas-run", p: "recmas-pause", x: "recmas-reset",
    ArrowLeft: "recmas-back", ArrowRight: "recmas-forward", Home: "recmas-first", End: "recmas-now",
  };
  const FIELDS = { "recmas-rounds": [1, 6], "recmas-thoughts": [1, 16], "recmas-seed": [0, 2147483647] };

  /* A piece of HTML whose buttons pick a moment. */
  function piece(element, trigger, watch) {
    element.addEventListener("click", (event) => {
      const hit = event.target.closest("[data-turn],[data-now]");
      if (!hit || !element.contains(hit) || hit.disabled) return;
      const number = (name) => (hit.dataset[name] === undefined ? -1 : Number(hit.dataset[name]));
      trigger("pick", hit.dataset.now ? { turn: -1, step: -1, call: -1 }
        : { turn: number("turn"), step: number("step"), call: number("call") });
    });
    keepFocus(element, watch);
    watch("value", () => {
      const turns = element.querySelectorAll(".recmas-running, .recmas-turn[aria-pressed=true]");
      let newest = turns[turns.length - 1];
      while (newest && newest.nextElementSibling && newest.nextElementSibling.matches(".recmas-call-mark")) {
        newest = newest.nextElementSibling;
      }
      if (newest) keepInView(newest);
      if (element.querySelector(".recmas-live")) toEnd(element);
    });
  }

  /* Radios and selects in a piece of HTML: each says by data-send which event its choice is. */
  function fields(element, trigger, watch) {
    const send = (field) => trigger(field.dataset.send, { value: field.value, role: field.dataset.role || "" });
    let changed = null;
    element.addEventListener("change", (event) => {
      const field = event.target.closest("[data-send]");
      changed = field;
      if (field) send(field);
    });
    /* pressing what is chosen already changes nothing for the browser, but may mean "keep to this one" */
    element.addEventListener("click", (event) => {
      const field = event.target.closest("[data-again]");
      changed = null;
      if (field) setTimeout(() => { if (changed !== field) send(field); });
    });
    keepFocus(element, watch);
    /* the browser keeps what a person chose over what is drawn later: what is drawn is what holds */
    watch("value", () => {
      for (const field of element.querySelectorAll("input[type=radio]")) field.checked = field.defaultChecked;
      for (const option of element.querySelectorAll("option")) option.selected = option.defaultSelected;
    });
  }

  /* Focus stays on the same thing when a piece is drawn again. */
  function keepFocus(element, watch) {
    let key = null;
    element.addEventListener("focusin", (event) => { key = event.target.dataset.key || null; });
    element.addEventListener("focusout", (event) => {
      const left = event.target;
      setTimeout(() => { if (left.isConnected && document.activeElement !== left) key = null; });
    });
    watch("value", () => {
      if (!key || element.contains(document.activeElement)) return;
      const again = element.querySelector(`[data-key="${CSS.escape(key)}"]`);
      if (again) again.focus({ preventScroll: true });
    });
  }

  /* What is being written stays in view, in its own box. */
  function toEnd(element) {
    for (let box = element; box && box !== document.body; box = box.parentElement) {
      if (box.scrollHeight > box.clientHeight + 1 && getComputedStyle(box).overflowY === "auto") {
        box.scrollTop = box.scrollHeight;
        return;
      }
    }
  }

  /* Scrolls only the strip itself, never the page. */
  function keepInView(child) {
    const box = child.closest(".recmas-strip");
    if (!box || box.scrollWidth <= box.clientWidth) return;
    const a = child.getBoundingClientRect(), b = box.getBoundingClientRect();
    if (a.left < b.left || a.right > b.right) box.scrollLeft += a.left - b.left - (b.width - a.width) / 2;
  }

  /* Whole replacement: an SVG whose animations must start anew when it changes. */
  function picture(element, props, watch) {
    const box = element.querySelector(".recmas-picture");
    const draw = () => { box.innerHTML = props.value || ""; };
    draw();
    watch("value", draw);
  }

  let plotly = null;
  function loadPlotly(source) {
    plotly = plotly || new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = source;
      script.onload = () => done(window.Plotly);
      script.onerror = () => failed(new Error("plotly.js could not be loaded from this server"));
      document.head.appendChild(script);
    });
    return plotly;
  }

  const css = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

  /* The latent map. One plot for all agents; the reader's zoom is remembered for each. */
  function map(element, props, trigger, watch) {
    const box = element.querySelector(".recmas-map");
    const zooms = {};
    let key = null, drawing = Promise.resolve(), bound = false;

    function dress(figure) {
      const layout = figure.layout, ink = css("--recmas-ink"), muted = css("--recmas-muted");
      layout.font = { ...layout.font, color: muted };
      layout.hoverlabel = {
        ...layout.hoverlabel, bgcolor: css("--recmas-surface"), bordercolor: css("--recmas-line"),
        font: { ...(layout.hoverlabel || {}).font, color: ink },
      };
      layout.modebar = { ...layout.modebar, color: muted, activecolor: css("--recmas-accent") };
      for (const trace of figure.data) {
        if (trace.name === "thoughts") trace.marker.line = { ...trace.marker.line, color: css("--recmas-surface") };
      }
      if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false;
      return figure;
    }

    async function draw() {
      if (!props.value) return;
      const Plotly = await loadPlotly(box.dataset.plotly);
      const figure = dress(JSON.parse(props.value));
      key = figure.layout.meta.key;
      /* plotly's own memory of the view mixes up axes tied to one scale: the zoom is kept here instead, map by map */
      figure.layout.uirevision = false;
      if (bound) figure.layout.dragmode = box._fullLayout.dragmode;
      const zoom = zooms[key];
      if (zoom) {
        figure.layout.xaxis.range = zoom.x;
        figure.layout.yaxis.range = zoom.y;
      }
      await Plotly.react(box, figure.data, figure.layout, {
        responsive: false, displaylogo: false, scrollZoom: true, displayModeBar: "hover", doubleClick: "reset",
        modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toImage"],
      });
      if (!bound) bind(Plotly);
      const live = figure.data.find((trace) => trace.name === "thoughts");
      box.dataset.key = key;
      box.dataset.points = live && live.x ? live.x.length : 0;
    }

    /* A click meant for a thought may hit a reference point beside it: the nearest thought within reach counts. */
    function nearestThought(mouse, reach = 14) {
      const live = box.data.find((trace) => trace.name === "thoughts"), frame = box.getBoundingClientRect();
      const { xaxis, yaxis } = box._fullLayout;
      let best = null;
      live.x.forEach((x, i) => {
        const dx = frame.left + xaxis._offset + xaxis.c2p(x) - mouse.clientX;
        const dy = frame.top + yaxis._offset + yaxis.c2p(live.y[i]) - mouse.clientY;
        const far = Math.hypot(dx, dy);
        if (far <= reach) { reach = far; best = live.customdata[i]; }
      });
      return best;
    }

    function bind(Plotly) {
      bound = true;
      box.on("plotly_click", (event) => {
        const at = event.points[0].customdata || nearestThought(event.event);
        if (at) trigger("pick", { turn: Number(at[0]), step: Number(at[1]), call: -1 });
      });
      box.on("plotly_relayout", (change) => {
        if (!Object.keys(change).some((name) => name.startsWith("xaxis.range"))) return;
        const { xaxis, yaxis } = box._fullLayout;
        zooms[key] = { x: [...xaxis.range], y: [...yaxis.range] };
      });
      box.on("plotly_doubleclick", () => { setTimeout(() => { delete zooms[key]; }); });
      new ResizeObserver(() => { if (box.offsetWidth) Plotly.Plots.resize(box); }).observe(box);
    }

    const redraw = () => {
      drawing = drawing.then(draw).catch((error) => {
        console.error(error);
        box.dataset.failed = String(error);
      });
    };
    redraw();
    watch("value", redraw);
    new MutationObserver(redraw).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.repeat && event.key.length === 1) return;
    const at = event.target, kind = at.closest("input,textarea,select,[contenteditable=true],[role=combobox],[role=listbox]");
    if (event.key === "Escape" && kind) return kind.blur();
    const choice = kind && kind.matches("input[type=radio],input[type=checkbox]");
    if (kind && !(choice && event.key.length === 1 && event.key !== " ")) return;
    const id = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const button = id && document.getElementById(id);
    if (!button || button.disabled) return;
    event.preventDefault();
    button.click();
  }

  /* What gradio's components cannot say by themselves. */
  function label() {
    for (const [key, id] of Object.entries(KEYS)) {
      const button = document.getElementById(id);
      if (button) button.setAttribute("aria-keyshortcuts", key);
    }
    for (const [id, [low, high]] of Object.entries(FIELDS)) {
      const field = document.querySelector(`#${id} input`);
      if (field) Object.assign(field, { min: low, max: high, step: 1 });
    }
  }

  document.addEventListener("keydown", pressed);
  return { piece, fields, picture, map, label };
})();
