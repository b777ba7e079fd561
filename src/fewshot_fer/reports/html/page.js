"use strict";
(() => {
  const SHOWN = 15; // rows of a table before its button is pressed
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const one = (selector, from = document) => from.querySelector(selector);
  const boards = all(".board");
  const words = one("#words"), role = one("#role"), sound = one("#sound"), plain = one("#plain"), sort = one("#sort");
  const LOW_FIRST = new Set(["run", "loss", "method"]);

  const value = (row, key) => {
    const text = row.dataset[key] ?? "";
    return key === "method" ? text : text === "" ? NaN : Number(text);
  };

  // Rows without a number stand last, whichever way the others go.
  const compare = (key, down) => (a, b) => {
    const [x, y] = [value(a, key), value(b, key)];
    if (key === "method") return (down ? -1 : 1) * x.localeCompare(y);
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return down ? y - x : x - y;
  };

  const sortBoard = (board, key, down) => {
    const body = one("tbody", board);
    body.append(...all("tr", body).sort(compare(key, down)));
    for (const head of all("th[data-key]", board)) {
      if (head.dataset.key === key) head.ariaSort = down ? "descending" : "ascending";
      else head.removeAttribute("aria-sort");
    }
  };

  const cut = (board) => {
    const fitting = all("tbody tr", board).filter((row) => !row.dataset.out);
    const open = board.dataset.open === "yes";
    for (const row of all("tbody tr", board)) row.hidden = Boolean(row.dataset.out);
    fitting.forEach((row, place) => { row.hidden = !open && place >= SHOWN; });
    const more = one(".more", board);
    more.hidden = fitting.length <= SHOWN;
    more.textContent = open ? `the first ${SHOWN} only` : `all ${fitting.length} rows`;
    return fitting.length;
  };

  const ofRun = Object.fromEntries(all("details.one").map((run) => [run.id.slice(4), run.dataset.words]));

  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (text) => wanted.every((word) => text.includes(word));
    let count = 0;
    for (const board of boards) {
      const title = one("h3", board).textContent.toLowerCase();
      const inRole = !role.value || board.dataset.role === role.value;
      for (const row of all("tbody tr", board)) {
        const kept = inRole && fits(`${title} ${row.dataset.words} ${ofRun[row.dataset.run]}`) &&
          !(sound.checked && row.classList.contains("spoiled")) && !(plain.checked && row.dataset.uses);
        row.dataset.out = kept ? "" : "yes";
      }
      const left = cut(board);
      board.hidden = left === 0;
      count += left;
    }
    const trained = one(".trained");
    if (trained) trained.open ||= role.value === "train";
    for (const run of all("details.one")) run.hidden = !fits(run.dataset.words) && !run.open;
    one("#count").textContent = `${count} result${count === 1 ? "" : "s"}`;
    one("#nothing").hidden = count > 0 || boards.length === 0;
  };

  for (const board of boards) {
    for (const head of all("th[data-key]", board)) {
      one("button", head).addEventListener("click", () => {
        const key = head.dataset.key;
        const down = head.ariaSort ? head.ariaSort === "ascending" : !LOW_FIRST.has(key);
        sortBoard(board, key, down);
        cut(board);
      });
    }
    one(".more", board).addEventListener("click", () => {
      board.dataset.open = board.dataset.open === "yes" ? "" : "yes";
      cut(board);
    });
  }
  words.addEventListener("input", filter);
  for (const part of [role, sound, plain]) part.addEventListener("change", filter);
  sort.addEventListener("change", () => {
    for (const board of boards) sortBoard(board, sort.value, !LOW_FIRST.has(sort.value));
    filter();
  });
  one("#filter").addEventListener("submit", (event) => event.preventDefault());

  const openTarget = () => {
    const target = /^#run-\d+$/.test(location.hash) ? one(location.hash) : null;
    if (!target) return;
    target.hidden = false;
    target.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", openTarget);
  addEventListener("click", (event) => { // a second click on the same link changes no hash
    const link = event.target.closest('a[href^="#run-"]');
    if (link && link.hash === location.hash) openTarget();
  });

  for (const card of all(".embedding")) {
    for (const button of all(".choice button", card)) {
      button.addEventListener("click", () => {
        card.dataset.layer = button.dataset.layer;
        for (const other of all(".choice button", card)) other.ariaPressed = String(other === button);
      });
    }
  }
  for (const button of all(".embedding .classes button")) {
    button.addEventListener("click", () => {
      const card = button.closest(".embedding");
      button.ariaPressed = String(button.ariaPressed !== "true");
      const chosen = all(".classes button", card).filter((other) => other.ariaPressed === "true");
      card.classList.toggle("some", chosen.length > 0);
      for (const point of all(".point", card)) {
        point.classList.toggle("on", chosen.some((other) => point.classList.contains(other.dataset.k)));
      }
    });
  }
  const tip = one("#tip");
  const showTip = (point, x, y) => {
    one("i", tip).className = point.dataset.p === "" ? "picture" : `picture p${point.dataset.p}`;
    one("span", tip).textContent = point.dataset.t;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - box.width - 4))}px`;
    tip.style.top = `${y + 14 + box.height > innerHeight ? Math.max(4, y - box.height - 14) : y + 14}px`;
  };
  for (const kind of ["pointerover", "pointerdown"]) {
    addEventListener(kind, (event) => {
      const point = event.target.closest?.(".point");
      if (point) showTip(point, event.clientX, event.clientY);
      else tip.hidden = true;
    });
  }
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  filter();
  openTarget();
})();
