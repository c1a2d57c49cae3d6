/* The report of a run: its figures are drawn from what stands beside them. Behind plotly.js and plots.js. */
for (const figure of document.querySelectorAll("figure")) {
  const data = figure.querySelector("script[type='application/json']").textContent;
  window.recmas.figure(figure, { value: data }, () => {});
}
