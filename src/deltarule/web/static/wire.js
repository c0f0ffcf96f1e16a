// What works the same whatever is shown: panels beside each other, lists that drop down, files that
// are dropped.

const at = (id) => document.getElementById(id);

export function panels() {
  const room = document.querySelector(".panels");
  const hops = [...document.querySelectorAll(".hops a")];
  const width = () => room.firstElementChild.clientWidth;
  // Where panels are beside each other: go to one, and tell which is the first that is seen.
  for (const [place, hop] of hops.entries()) {
    hop.addEventListener("click", (event) => {
      event.preventDefault();
      room.scrollTo({ left: place * width() });
    });
  }
  const seen = () => {
    const here = width() ? Math.round(room.scrollLeft / width()) : 0;
    for (const [place, hop] of hops.entries()) {
      if (place === here) hop.setAttribute("aria-current", "true");
      else hop.removeAttribute("aria-current");
    }
  };
  room.addEventListener("scroll", seen, { passive: true });
  seen();
}

// Lists that drop down close on Escape and on a click elsewhere. What was chosen with a pointer
// gives the arrow keys back to the steps.
export function lists() {
  const lists = [...document.querySelectorAll("details.list")];
  const close = (but) => { for (const list of lists) if (list !== but) list.open = false; };
  addEventListener("pointerdown", ({ target }) => close(target.closest("details.list")));
  addEventListener("focusin", ({ target }) => close(target.closest("details.list")));
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = lists.find((list) => list.open);
    close(null);
    if (open?.contains(document.activeElement)) open.firstElementChild.focus();
  });
  let pointed = false;
  addEventListener("pointerdown", () => { pointed = true; }, { capture: true });
  addEventListener("keydown", () => { pointed = false; }, { capture: true });
  addEventListener("change", ({ target }) => {
    if (pointed && target.matches("select, input[type=range]")) target.blur();
  });
}

// A file may be dropped anywhere.
export function drop(open) {
  let inside = 0;
  const files = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragenter", (event) => { if (files(event)) { inside += 1; at("drop").hidden = false; } });
  addEventListener("dragleave", (event) => { if (files(event) && --inside <= 0) { inside = 0; at("drop").hidden = true; } });
  addEventListener("dragover", (event) => { if (files(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    inside = 0;
    at("drop").hidden = true;
    open(event.dataTransfer.files[0]);
  });
}
