/* Live figures: the latent map, and figures to look at. Served in one file with page.js, before it. */
window.recmas = (() => {
  "use strict";

  let plotly = null;
  function loadPlotly(source) {
    plotly = plotly || window.Plotly && Promise.resolve(window.Plotly) || new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = source;
      script.onload = () => done(window.Plotly);
      script.onerror = () => failed(new Error("plotly.js could not be loaded from this server"));
      document.head.appendChild(script);
    });
    return plotly;
  }

  const css = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

  /* A figure in the page's own colours, light or dark. */
  function dress(figure) {
    const layout = figure.layout, ink = css("--recmas-ink"), muted = css("--recmas-muted");
    layout.font = { ...layout.font, color: muted };
    layout.hoverlabel = {
      ...layout.hoverlabel, bgcolor: css("--recmas-surface"), bordercolor: css("--recmas-line"),
      font: { ...(layout.hoverlabel || {}).font, color: ink },
    };
    layout.separators = document.querySelector("[data-decimal]").dataset.decimal === "," ? ",." : ".,";
    layout.modebar = { ...layout.modebar, color: muted, activecolor: css("--recmas-accent") };
    for (const trace of figure.data) {
      if (trace.name === "thoughts") trace.marker.line = { ...trace.marker.line, color: css("--recmas-surface") };
    }
    for (const note of layout.annotations || []) {
      if (note.name === "heading") note.font = { ...note.font, color: ink };
    }
    if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false;
    return figure;
  }

  const CONFIG = {
    responsive: false, displaylogo: false, showSendToCloud: false, scrollZoom: true, displayModeBar: "hover", doubleClick: "reset",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toImage"],
  };

  /* The same with plotly's buttons in the page's words, which stand in its head. */
  function configured() {
    const { language, buttons } = document.querySelector("[data-language]").dataset;
    return { ...CONFIG, locale: language, locales: { [language]: { dictionary: JSON.parse(buttons) } } };
  }

  /* Draws whenever there is something new to show, one drawing after the other. What has arrived by then is drawn: a
     page that is slower than a run leaves drawings out instead of falling behind. */
  function redrawing(box, draw, watch) {
    let drawing = Promise.resolve(), due = false;
    const redraw = () => {
      if (due) return;
      due = true;
      drawing = drawing.then(() => new Promise((next) => setTimeout(next))).then(() => {
        due = false;
        return draw();
      }).catch((error) => {
        console.error(error);
        box.dataset.failed = String(error);
      });
    };
    redraw();
    watch("value", redraw);
    new MutationObserver(redraw).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  function resizing(box, Plotly) {
    new ResizeObserver(() => { if (box.offsetWidth) Plotly.Plots.resize(box); }).observe(box);
  }

  /* A figure to look at: the reader's zoom is kept while its key is the same. */
  function figure(element, props, watch) {
    const box = element.querySelector(".recmas-figure");
    let zoom = null, key = null, bound = false;
    redrawing(box, async () => {
      if (!props.value) return;
      const Plotly = await loadPlotly(box.dataset.plotly), drawn = dress(JSON.parse(props.value)), layout = drawn.layout;
      if (layout.meta.key !== key) zoom = null;
      key = layout.meta.key;
      layout.uirevision = false;
      if (zoom) for (const [axis, range] of Object.entries(zoom)) layout[axis].range = range;
      if (bound) layout.dragmode = box._fullLayout.dragmode;
      await Plotly.react(box, drawn.data, layout, configured());
      if (!bound) {
        bound = true;
        box.on("plotly_relayout", (change) => {
          if (!Object.keys(change).some((name) => name.includes(".range"))) return;
          zoom = {};
          for (const axis of ["xaxis", "yaxis"]) zoom[axis] = [...box._fullLayout[axis].range];
        });
        box.on("plotly_doubleclick", () => { setTimeout(() => { zoom = null; }); });
        resizing(box, Plotly);
      }
      box.dataset.key = key;
      box.dataset.points = drawn.data.reduce((most, trace) => Math.max(most, (trace.x || []).length), 0);
    }, watch);
  }

  const STILL = new Set(["reference", "tokens", "words"]); // traces of the map that stand behind a run

  /* The latent map. One plot for all agents; the reader's zoom is remembered for each. */
  function map(element, props, trigger, watch) {
    const box = element.querySelector(".recmas-map");
    const zooms = {};
    let key = null, bound = false, ground = "";

    async function draw() {
      if (!props.value) return;
      const Plotly = await loadPlotly(box.dataset.plotly);
      const figure = dress(JSON.parse(props.value));
      key = figure.layout.meta.key;
      const before = ground, moving = [...figure.data.keys()].filter((i) => !STILL.has(figure.data[i].name));
      ground = JSON.stringify([figure.layout, figure.data.map((trace) => STILL.has(trace.name) ? trace : trace.name)]);
      if (ground === before) await move(Plotly, figure, moving);
      else await all(Plotly, figure);
      const live = figure.data.find((trace) => trace.name === "thoughts");
      box.dataset.key = key;
      box.dataset.points = live && live.x ? live.x.length : 0;
    }

    /* Only what lives is drawn anew: the many points behind it are most of the work, and stay as they are. */
    function move(Plotly, figure, moving) {
      const now = { duration: 0, redraw: false };
      const frame = { data: moving.map((i) => figure.data[i]), traces: moving };
      return Plotly.animate(box, frame, { mode: "immediate", frame: now, transition: { duration: 0 } });
    }

    async function all(Plotly, figure) {
      /* plotly's own memory of the view mixes up axes tied to one scale: the zoom is kept here instead, map by map */
      figure.layout.uirevision = false;
      if (bound) figure.layout.dragmode = box._fullLayout.dragmode;
      const zoom = zooms[key];
      if (zoom) {
        figure.layout.xaxis.range = zoom.x;
        figure.layout.yaxis.range = zoom.y;
      }
      await Plotly.react(box, figure.data, figure.layout, configured());
      if (!bound) bind(Plotly);
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
      resizing(box, Plotly);
    }

    redrawing(box, draw, watch);
  }

  return { map, figure };
})();
