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
    if (said) said.textContent = `${done ? said.dataset.copied : said.dataset.uncopied} ${said.textContent}`;
  }

  Object.assign(window.recmas, { copy });
})();
