/* What a screen reader has to be told where gradio's components say nothing, and the way past the left side. */
(() => {
  "use strict";

  const EVERY = 400; // ms. An observer of the whole page would make every figure that is drawn many times slower

  /* Status lines: what is read aloud stays, and what it says changes. The line itself is drawn anew each time. */
  function speak() {
    for (const box of document.querySelectorAll("[id^=recmas-][id$=status]")) set(box, "role", "status");
  }

  /* Parts that fold away say whether they are open; their arrow is for the eye. */
  function fold() {
    for (const button of document.querySelectorAll("button.label-wrap")) {
      set(button, "aria-expanded", String(button.classList.contains("open")));
      for (const arrow of button.querySelectorAll(".icon")) set(arrow, "aria-hidden", "true");
    }
  }

  /* A map is told by its caption. */
  function caption() {
    for (const box of document.querySelectorAll("[id^=recmas-][id$=map]")) {
      const words = box.id.replace(/map$/, "caption");
      if (!document.getElementById(words)) continue;
      set(box, "role", "figure");
      set(box, "aria-labelledby", words);
    }
  }

  /* A box of text that scrolls can be scrolled with the keyboard. */
  function scroll() {
    for (const box of document.querySelectorAll("#recmas-prompt")) set(box, "tabindex", "0");
  }

  function set(element, name, value) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }

  function tell() {
    speak();
    fold();
    caption();
    scroll();
  }

  /* Past the choices, to what the tab that is shown shows. */
  function skip(event) {
    const link = event.target.closest(".recmas-skip");
    if (!link) return;
    event.preventDefault();
    const shown = [...document.querySelectorAll("[id^=recmas-][id$=stage], [role=tabpanel]")]
      .filter((each) => each.getClientRects().length);
    const stage = shown.find((each) => each.id.endsWith("stage")) || shown[0];
    if (!stage) return;
    stage.tabIndex = -1;
    stage.focus();
  }

  /* On a phone the buttons lie over the page's end: what is reached with the keyboard comes out from under them. */
  function uncover(event) {
    const bar = document.getElementById("recmas-transport"), at = event.target;
    if (!bar || bar.contains(at) || getComputedStyle(bar).position !== "fixed" || !bar.getClientRects().length) return;
    const under = at.getBoundingClientRect().bottom - bar.getBoundingClientRect().top;
    if (under > 0 && getComputedStyle(at).position !== "fixed") scrollBy({ top: under + 12, behavior: "instant" });
  }

  document.addEventListener("focusin", uncover);
  document.addEventListener("click", skip);
  setInterval(tell, EVERY);
  tell();
})();
