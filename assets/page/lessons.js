/* The lessons: a card that leads through one, and that presses the page's own buttons when it is asked to. */
window.recmas = (() => {
  "use strict";

  const KEPT = "recmas.lessons.done", BEAT = 120, AGAIN = 25;
  const breath = () => new Promise((done) => setTimeout(done, BEAT));
  const find = (selector) => document.querySelector(selector);

  /* Lessons done, as this browser remembers them; a browser that keeps nothing forgets them with the page. */
  let known = [];
  function remembered() {
    try { known = JSON.parse(localStorage.getItem(KEPT)) || known; } catch { /* private browsing: nothing is kept */ }
    return Array.isArray(known) ? known : [];
  }
  function remember(lesson) {
    known = [...new Set([...remembered(), lesson])];
    try { localStorage.setItem(KEPT, JSON.stringify(known)); } catch { /* as above */ }
    document.dispatchEvent(new CustomEvent("recmas-lessons"));
  }

  /* The list: which are done, and a button for each. */
  function lessons(element, trigger, watch) {
    const mark = () => {
      const done = remembered();
      let count = 0;
      for (const sign of element.querySelectorAll("[data-done]")) {
        sign.hidden = !done.includes(sign.dataset.done);
        count += !sign.hidden;
      }
      const line = element.querySelector("[data-count]");
      if (line) line.textContent = count ? line.dataset.count.replace("{n}", count) : "";
    };
    element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-begin]");
      if (button) trigger("begin", { lesson: button.dataset.begin });
    });
    document.addEventListener("recmas-lessons", mark);
    mark();
    watch("value", mark);
  }

  /* What a person would do. Each throws when it cannot be done, and says what was not there. */
  const VERBS = {
    press: (at) => at.click(),
    choose: (at) => { if (!at.checked) at.click(); },
    clear: (at) => { if (at.checked) at.click(); },
    type: (at, value) => {
      if (at.value === value) return;
      at.value = value;
      at.dispatchEvent(new Event("input", { bubbles: true }));
      at.dispatchEvent(new Event("change", { bubbles: true }));
    },
    select: (at, value) => {
      if (at.value === value) return;
      at.value = value;
      at.dispatchEvent(new Event("change", { bubbles: true }));
    },
    wait: () => {},
  };

  /* Wait until the page shows something that can be used; false when the time is up or the step is another one. */
  async function shows(selector, work) {
    for (;;) {
      if (work.over()) return null;
      const at = find(selector);
      if (at && !(at.disabled)) return at;
      await breath();
    }
  }

  async function perform(deed, work) {
    for (const act of deed) {
      let at = await shows(act.at, work);
      if (!at) return false;
      VERBS[act.verb](at, act.value);
      if (act.verb !== "wait") await breath();
      /* what was under way may be drawn over what the button brought about */
      for (let beats = 1; act.verb === "press" && act.value && !find(act.value); beats++) {
        if (work.over()) return false;
        if (beats % AGAIN === 0 && (at = find(act.at))) at.click();
        await breath();
      }
    }
    return true;
  }

  function coach(element, props, trigger, watch) {
    const box = element.querySelector(".recmas-coach-box"), unseen = element.querySelector("[aria-live]");
    let plan = {}, step = -1, lesson = "", work = null, looked = 0, lit = null;

    /* Components write their own classes when they change: the mark is put there again. */
    function light() {
      if (lit && !lit.isConnected) lit = plan.show ? find(plan.show) : null;
      if (lit && !lit.classList.contains("recmas-lit")) lit.classList.add("recmas-lit");
    }

    function point(selector) {
      if (lit) lit.classList.remove("recmas-lit");
      lit = selector ? find(selector) : null;
      if (!lit) return;
      light();
      const frame = lit.getBoundingClientRect(), low = innerHeight - room();
      if (frame.top < 0 || frame.bottom > low) {
        const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
        scrollBy({ top: frame.top - Math.max(8, (low - frame.height) / 2), behavior: calm ? "auto" : "smooth" });
      }
    }

    /* The height that the card takes at the bottom of the window. */
    function room() {
      const card = box.firstElementChild;
      return card ? innerHeight - card.getBoundingClientRect().top : 0;
    }

    function fit() {
      const bar = document.getElementById("recmas-transport");
      const fixed = bar && bar.getClientRects().length && getComputedStyle(bar).position === "fixed";
      const root = document.documentElement.style;
      root.setProperty("--recmas-bar", `${fixed ? bar.offsetHeight : 0}px`);
      root.setProperty("--recmas-room", `${box.firstElementChild ? room() : 0}px`);
    }

    function draw() {
      const focus = box.contains(document.activeElement), had = Boolean(box.firstElementChild);
      const key = focus ? document.activeElement.dataset.key : null;
      box.innerHTML = props.value || "";
      const card = box.firstElementChild;
      document.body.classList.toggle("recmas-learning", Boolean(card));
      if (!card) {
        work = null;
        step = -1;
        unseen.textContent = "";
        point("");
        fit();
        if (had) document.querySelector(`[data-begin="${CSS.escape(lesson)}"]`)?.focus();
        return;
      }
      plan = JSON.parse(card.dataset.plan);
      const moved = lesson !== card.dataset.lesson || step !== Number(card.dataset.step);
      lesson = card.dataset.lesson;
      step = Number(card.dataset.step);
      if (moved || !plan.until) work = null;
      if (plan.passed) remember(lesson);
      unseen.textContent = [card.querySelector(".recmas-coach-step"), card.querySelector(".recmas-coach-text")]
        .map((part) => part.textContent).join(". ");
      fit();
      /* the tab that the step takes place on is shown a moment later */
      setTimeout(() => { fit(); point(plan.show); }, BEAT);
      if (!had || focus) (key && card.querySelector(`[data-key="${CSS.escape(key)}"]`)
        || card.querySelector(".recmas-coach-primary, .recmas-coach-choice"))?.focus({ preventScroll: true });
      if (plan.until) look();
    }

    /* Somebody may do a step by hand: whenever the page changes and shows what the step waits for, it is done. */
    function look(asked = false) {
      if (!plan.until || (!asked && work) || !find(plan.until)) return false;
      looked = Date.now();
      trigger("did", { step, asked });
      return true;
    }

    async function deed() {
      if (work) return;
      const end = Date.now() + 1000 * plan.limit, mine = { over: () => work !== mine || Date.now() > end };
      const until = plan.until || null, button = box.querySelector("[data-coach=deed]"), shown = step;
      work = mine;
      tell("");
      if (button) { button.dataset.text = button.textContent; button.textContent = plan.working; button.ariaBusy = "true"; }
      const done = await perform(plan.deed, mine) && (!until || await shows(until, mine));
      if (work !== mine) return;
      work = null;
      if (button) { button.textContent = button.dataset.text; button.ariaBusy = "false"; }
      if (!done) return tell(plan.late);
      /* drawn is not yet all: what belongs to it comes with the next drawing */
      await breath();
      if (step === shown) trigger("did", { step, asked: true });
    }

    function tell(text) {
      const line = box.querySelector("[data-late]");
      if (!line) return;
      line.hidden = !text;
      line.textContent = text;
      if (text) unseen.textContent = text;
    }

    const ACTIONS = {
      deed,
      go: (button) => trigger("go", { step: Number(button.dataset.to) }),
      check: (button) => trigger("check", { choice: button.dataset.choice }),
      finish: () => trigger("leave", {}),
      leave: () => trigger("leave", {}),
    };

    element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-coach]");
      if (button) ACTIONS[button.dataset.coach](button);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented || !box.firstElementChild) return;
      if (document.querySelector(":popover-open") || event.target.closest("input,textarea,select,[role=listbox]")) return;
      trigger("leave", {});
    });
    /* Looked at now and then: an observer of the whole page would make every figure that is drawn many times slower. */
    setInterval(() => {
      if (!box.firstElementChild) return;
      light();
      if (!work && Date.now() - looked > AGAIN * BEAT / 3) look();
    }, 3 * BEAT);
    new ResizeObserver(fit).observe(box);
    addEventListener("resize", fit);
    draw();
    watch("value", draw);
  }

  return { ...window.recmas, lessons, coach };
})();
