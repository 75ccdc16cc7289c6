// Tables that sort, players that take turns, details that print. Pages can be read without it.
"use strict";

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const rows = [...body.rows];
      const numbers = rows.some((row) => typeof key(row.cells[column]) === "number");
      const before = head.getAttribute("aria-sort") ?? (numbers ? "ascending" : "descending");
      const up = before === "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      rows.sort((one, two) => compare(key(one.cells[column]), key(two.cells[column]), up));
      body.append(...rows);
    });
  });
}

// What a cell is sorted by: its number, else its text; nothing where it is empty.
function key(cell) {
  const text = cell.dataset.value ?? cell.innerText.trim();
  return text === "" ? null : cell.dataset.value === undefined ? text : Number(text);
}

// Empty cells stay last, whichever way.
function compare(one, two, up) {
  if (one === null || two === null) return (one === null) - (two === null);
  const order =
    typeof one === "number" && typeof two === "number"
      ? one - two
      : String(one).localeCompare(String(two), "en", { numeric: true });
  return up ? order : -order;
}

const players = [...document.querySelectorAll("audio")];
for (const player of players) {
  const hand = player.parentElement.querySelector(".wave i");
  player.addEventListener("play", () => {
    players.forEach((other) => other !== player && other.pause());
  });
  player.addEventListener("timeupdate", () => {
    hand.style.opacity = 1;
    hand.style.left = `${(100 * player.currentTime) / player.duration}%`;
  });
}

addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((one) => (one.open = true));
});
