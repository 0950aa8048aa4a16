// Measures pages, each in a frame of a width, and writes what is wrong into the
// element #faults: one line for each fault.
"use strict";
window.addEventListener("load", () => {
  const faults = [];
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, wide = page.documentElement.clientWidth;
    const fault = (what, element) => faults.push(`${frame.id}: ${what}: <${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}"> ${element.textContent.trim().slice(0, 60)}`);
    if (page.documentElement.scrollWidth > wide) fault(`${page.documentElement.scrollWidth} wide`, page.querySelector("h1"));
    for (const e of page.querySelectorAll("body *:not(svg *)")) {
      const box = e.getBoundingClientRect();
      if (box.width === 0) continue;
      if (box.right > wide + 1 || box.left < -1) fault(`reaches from ${box.left} to ${box.right}`, e);
      if (e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1) fault("holds more than can be seen", e);
      if (e.tagName === "TD" && !e.textContent.trim() && !e.firstElementChild) {
        if (e.closest("tr").getBoundingClientRect().height > 80) fault("a hole", e);
      }
      for (const text of e.childNodes) {
        if (text.nodeType !== Node.TEXT_NODE || text.data.trim().length < 6) continue;
        const range = page.createRange();
        range.selectNodeContents(text);
        const lines = new Set([...range.getClientRects()].map(r => Math.round(r.top))).size;
        if (lines > 2 && text.data.trim().length / lines < 4) fault(`${lines} lines of ${text.data.trim().length} letters`, e);
      }
    }
    for (const grid of page.querySelectorAll(".figures")) { // each row is full
      const end = grid.getBoundingClientRect().right, rows = new Map();
      for (const e of grid.children) rows.set(e.offsetTop, e);
      for (const last of rows.values()) if (last.getBoundingClientRect().right < end - 1) fault("a row with a gap after it", last);
    }
    for (const text of page.querySelectorAll("svg text")) {
      const box = text.getBoundingClientRect();
      if (box.right > wide) fault(`reaches to ${box.right}`, text);
      if (box.width > 0 && box.height < 9) fault(`is ${box.height} high`, text);
      const next = [...text.parentElement.querySelectorAll("text")].find(t => t.getBoundingClientRect().width > 0 && t.getBoundingClientRect().left > box.left);
      if (box.width > 0 && next && next.getBoundingClientRect().left < box.right) fault("runs into the next", text);
    }
  }
  document.getElementById("faults").textContent = faults.join("\n") + "\nmeasured";
});
