() => {
  // The camera's second button starts its stream: one press is enough for both.
  document.addEventListener("click", (event) => {
    if (!event.target.closest('#camera [title="grant webcam access"]')) return;
    let tries = 100;
    const timer = setInterval(() => {
      const start = document.querySelector('#camera [title="start recording"]');
      if (start) start.closest("button").click();
      if (start || --tries < 0) clearInterval(timer);
    }, 100);
  });
  // Holding the button presses it again and again.
  let held = null;
  const release = () => { clearInterval(held); held = null; };
  document.addEventListener("pointerdown", (event) => {
    const button = event.target.closest("#take");
    if (!button || held !== null) return;
    held = setInterval(() => button.click(), 300);
  });
  for (const name of ["pointerup", "pointercancel", "blur"]) window.addEventListener(name, release);
}
