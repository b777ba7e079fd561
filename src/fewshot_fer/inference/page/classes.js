// Buttons and fields of the taught classes: each sends what it does, and the focus stays near.
let last = null;
const send = (target) => {
  const all = [...element.querySelectorAll("[data-act]")];
  last = all.indexOf(target);
  trigger("click", { act: target.dataset.act, name: target.dataset.name, value: target.value || "" });
};
element.addEventListener("click", (event) => {
  const target = event.target.closest("button[data-act]");
  if (target) send(target);
});
element.addEventListener("change", (event) => {
  if (event.target.dataset.act === "rename") send(event.target);
});
watch("value", () => {
  if (last === null || element.contains(document.activeElement)) return;
  const all = [...element.querySelectorAll("[data-act]")];
  if (all.length) all[Math.min(last, all.length - 1)].focus({ preventScroll: true });
  last = null;
});
