// Numbers that are too long for their place are set smaller; a text of several lines, too.

const LINES = "#alpha-number, #hand-number, #beside-number, #number, #start-weight, #ridge, #weights .value > span, #weights .change > span, #flow";
const TEXTS = "#formula-room";
const LEAST = 0.55;  // of the usual size

export function fit() {
  const lines = [...document.querySelectorAll(LINES)].filter((one) => one.offsetParent && getComputedStyle(one).overflowX !== "auto");
  const texts = [...document.querySelectorAll(TEXTS)].filter((one) => one.offsetParent);
  for (const one of [...lines, ...texts]) if (one.style.fontSize) one.style.fontSize = "";
  // All is measured before anything is changed: one layout for all of it.
  const small = lines.map((one) => [one, share(one)]).filter(([, part]) => part < 1);
  const high = texts.map((one) => [one, Math.sqrt(one.clientHeight / one.scrollHeight)]).filter(([, part]) => part < 0.995);
  const sizes = [...small, ...high].map(([one, part]) => [one, Math.max(part, LEAST) * parseFloat(getComputedStyle(one).fontSize)]);
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
