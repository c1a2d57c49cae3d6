/* Sharing: the link of a run into the clipboard. Served in one file with page.js, behind it. */
(() => {
  "use strict";

  /* The clipboard where the browser lets a page write to it; else the field is selected, to be copied by hand. */
  async function toClipboard(field) {
    field.focus({ preventScroll: true });
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      return true;
    } catch (refused) {
      return document.execCommand("copy");
    }
  }

  /* Copies what the field in a piece of the page holds; a link is made whole there: its page is this one. */
  async function copy(id) {
    const piece = document.getElementById(id), field = piece && piece.querySelector("input, textarea");
    if (!field) return;
    if (field.dataset.query !== undefined) field.value = `${location.origin}${location.pathname}?${field.dataset.query}`;
    const done = await toClipboard(field), said = piece.querySelector("[data-copied]");
    if (!said) return;
    said.dataset.before = said.dataset.before === undefined ? said.textContent : said.dataset.before;
    said.textContent = `${done ? said.dataset.copied : said.dataset.uncopied} ${said.dataset.before}`;
  }

  /* A piece of the page whose button copies what its field holds. */
  function copying(element) {
    element.addEventListener("click", (event) => {
      if (event.target.closest("[data-copy]")) copy(element.closest("[id]").id);
    });
  }

  function give(name, href) {
    const link = document.createElement("a");
    Object.assign(link, { href, download: name });
    document.body.appendChild(link);
    link.click();
    link.remove();
  }

  /* A drawing with everything it takes from the page's styles written into it; what moves is left out. */
  function standing(svg) {
    const copied = svg.cloneNode(true), box = svg.viewBox.baseVal;
    const pairs = [[svg, copied], ...[...svg.querySelectorAll("*")].map((each, i) => [each, copied.querySelectorAll("*")[i]])];
    for (const [from, to] of pairs) {
      const style = getComputedStyle(from);
      for (const name of ["fill", "stroke", "font-family", "font-size", "font-weight"]) to.style.setProperty(name, style.getPropertyValue(name));
    }
    for (const moving of copied.querySelectorAll(".recmas-motion")) moving.remove();
    copied.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copied.setAttribute("width", box.width);
    copied.setAttribute("height", box.height);
    copied.style.background = getComputedStyle(document.body).getPropertyValue("--recmas-surface");
    return { text: new XMLSerializer().serializeToString(copied), width: box.width, height: box.height };
  }

  const svgAddress = (text) => `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;

  async function pixels(drawing, scale = 2) {
    const image = new Image();
    image.src = svgAddress(drawing.text);
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = drawing.width * scale;
    canvas.height = drawing.height * scale;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/png");
  }

  /* The figure in an element as an image: plotly's own way, or the drawing that is shown. */
  async function imageOf(id, format) {
    const element = document.getElementById(id), plot = element.querySelector(".js-plotly-plot");
    if (plot) {
      const ground = getComputedStyle(document.body).getPropertyValue("--recmas-surface").trim();
      const figure = { data: plot.data, layout: { ...plot.layout, paper_bgcolor: ground, plot_bgcolor: ground } };
      const size = { width: plot.offsetWidth, height: plot.offsetHeight };
      return window.Plotly.toImage(figure, { format, ...size, scale: format === "png" ? 2 : 1 });
    }
    const svg = [...element.querySelectorAll("svg")].find((each) => each.getClientRects().length);
    if (!svg) return null;
    const drawing = standing(svg);
    return format === "svg" ? svgAddress(drawing.text) : pixels(drawing);
  }

  /* Buttons that save the figure in the element of an id, as a file of that name. */
  function saving(element, id, name) {
    element.addEventListener("click", async (event) => {
      const button = event.target.closest("[data-format]");
      if (!button) return;
      const format = button.dataset.format, image = await imageOf(id, format);
      if (image) give(`${name}.${format}`, image);
    });
  }

  Object.assign(window.recmas, { copy, copying, saving });
})();
