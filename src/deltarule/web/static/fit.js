// Numbers that are too long for their place are set smaller; a text of several lines, too. Names that
// are too long for theirs are counted.

const LINES = "#alpha-number, #hand-number, #beside-number, #number, #start-weight, #ridge, #weights .value > span, #weights .change > span, #flow";
const TEXTS = "#formula-room";
const LEAST = 0.55;  // of the usual size

export function fit() {
  named();
  const lines = [...document.querySelectorAll(LINES)].filter((one) => one.offsetParent && getComputedStyle(one).overflowX !== "auto");
  const texts = [...document.querySelectorAll(TEXTS)].filter((one) => one.offsetParent);
  for (const one of [...lines, ...texts]) if (one.style.fontSize) one.style.fontSize = "";
  // All is measured before anything is changed: one layout for all of it.
  const small = lines.map((one) => [one, share(one)]).filter(([, part]) => part < 1);
  const high = texts.map((one) => [one, Math.sqrt(one.clientHeight / one.scrollHeight)]).filter(([, part]) => part < 0.995);
  set([...small, ...high]);
  // Lines break elsewhere as a text gets smaller: once more, where that was not enough.
  for (let round = 0; round < 3; round += 1) {
    const still = high.map(([one]) => one).filter((one) => one.scrollHeight > one.clientHeight + 1);
    if (!still.length) break;
    set(still.map((one) => [one, 0.93]));
  }
}

// The names of the inputs, or how many they are where there is no room for the names.
function named() {
  const list = document.getElementById("using"), place = list.querySelector(".names");
  const over = () => place.scrollWidth > place.clientWidth;
  place.textContent = place.title;
  list.classList.remove("tight");
  if (over()) place.textContent = place.dataset.brief;
  if (over()) list.classList.add("tight");
}

function set(parts) {
  const sizes = parts.map(([one, part]) => [one, Math.max(part, LEAST) * parseFloat(getComputedStyle(one).fontSize)]);
  for (const [one, size] of sizes) one.style.fontSize = `${size}px`;
}

function share(one) {
  if (one.scrollWidth <= one.clientWidth) return 1;
  const { paddingLeft, paddingRight } = getComputedStyle(one);
  const padding = parseFloat(paddingLeft) + parseFloat(paddingRight);
  return (one.clientWidth - padding - 1) / (one.scrollWidth - padding);
}

// Again when the window or the page's type changes its size.
new ResizeObserver(() => requestAnimationFrame(fit)).observe(document.body);
const ruler = document.body.appendChild(Object.assign(document.createElement("i"), { className: "ruler" }));
new ResizeObserver(() => requestAnimationFrame(fit)).observe(ruler);
