/* The page's own behaviour: clicks on pieces of HTML, forms, keys. Loaded once; every gr.HTML mounts through it. */
window.recmas = (() => {
  "use strict";

  /* The buttons of each key, one for each tab: the one that is shown is meant. */
  const KEYS = {
    s: ["recmas-step", "recmas-t-start"], r: ["recmas-round"], g: ["recmas-run"], p: ["recmas-pause", "recmas-t-pause"],
    x: ["recmas-reset", "recmas-t-stop"], c: ["recmas-t-continue"], u: ["recmas-t-undo"],
    ArrowLeft: ["recmas-back"], ArrowRight: ["recmas-forward"], Home: ["recmas-first"], End: ["recmas-now"],
  };
  const FIELDS = { "recmas-rounds": [1, 6], "recmas-thoughts": [1, 16], "recmas-seed": [0, 2147483647] };

  /* The page is in the language of its head, whatever gradio says of it. */
  function begin(element) {
    document.documentElement.lang = element.querySelector("[data-language]").dataset.language;
  }

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
    setTimeout(label);
    const send = (field) => trigger(field.dataset.send, { value: field.dataset.value || field.value, role: field.dataset.role || "" });
    let changed = null;
    element.addEventListener("change", (event) => {
      const field = event.target.closest("[data-send]");
      changed = field;
      if (field) send(field);
    });
    /* pressing what is chosen already changes nothing for the browser, but may mean "keep to this one" */
    element.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-send]");
      if (button) return send(button);
      const field = event.target.closest("[data-again]");
      changed = null;
      if (field) setTimeout(() => { if (changed !== field) send(field); });
    });
    keepFocus(element, watch);
    watch("value", () => asDrawn(element));
  }

  /* The browser keeps what a person chose over what is drawn later: what is drawn is what holds. */
  function asDrawn(element) {
    for (const field of element.querySelectorAll("input[type=radio], input[type=checkbox]")) field.checked = field.defaultChecked;
    for (const field of element.querySelectorAll("input[type=number]")) field.value = field.defaultValue;
    for (const option of element.querySelectorAll("option")) option.selected = option.defaultSelected;
  }

  /* A form whose values are read all at once, when something is pressed; fields with data-redraw change the others. */
  function form(element, trigger, watch) {
    element.addEventListener("change", (event) => { if (event.target.closest("[data-redraw]")) trigger("redraw"); });
    setTimeout(label);
    keepFocus(element, watch);
    watch("value", () => asDrawn(element));
  }

  /* The values of forms as JSON, "" while none of them is there. */
  function gather(...names) {
    const boxes = names.map((name) => document.querySelector(`[data-form="${name}"]`)).filter((box) => box), values = {};
    if (!boxes.length) return "";
    for (const field of boxes.flatMap((box) => [...box.querySelectorAll("[name]")])) {
      values[field.name] = field.type === "checkbox" ? field.checked : field.value;
    }
    return JSON.stringify(values);
  }

  /* Where the form stands above what it starts, one is brought there. */
  function watchIt(name, id) {
    const values = gather(name), stage = document.getElementById(id);
    if (stage && innerWidth <= 860) stage.scrollIntoView({ block: "start" });
    return values;
  }

  /* Lets the browser save the file that a hidden download button was just given. */
  function save(id) {
    const button = document.querySelector(`a#${id}, #${id} a, #${id}`);
    if (button) button.click();
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

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.repeat && event.key.length === 1) return;
    const at = event.target, kind = at.closest("input,textarea,select,[contenteditable=true],[role=combobox],[role=listbox]");
    if (event.key === "Escape" && kind) return kind.blur();
    const choice = kind && kind.matches("input[type=radio],input[type=checkbox]");
    if (kind && !(choice && event.key.length === 1 && event.key !== " ")) return;
    const ids = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key] || [];
    const button = ids.map((id) => document.getElementById(id)).find((each) => each && each.getClientRects().length);
    if (!button || button.disabled) return;
    event.preventDefault();
    button.click();
  }

  /* What gradio's components cannot say by themselves. */
  function label() {
    for (const [key, ids] of Object.entries(KEYS)) {
      for (const button of ids.map((id) => document.getElementById(id))) {
        if (button) button.setAttribute("aria-keyshortcuts", key);
      }
    }
    for (const [id, [low, high]] of Object.entries(FIELDS)) {
      const field = document.querySelector(`#${id} input`);
      if (field) Object.assign(field, { min: low, max: high, step: 1 });
    }
  }

  document.addEventListener("keydown", pressed);
  return { ...window.recmas, begin, piece, fields, form, gather, watchIt, save, picture, label };
})();
