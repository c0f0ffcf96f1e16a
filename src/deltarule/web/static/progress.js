// What was done in lessons: the answer that was chosen, the goal that was met. It is kept in a
// cookie, for the page has another port, and so another local storage, each time it is served.

const NAME = "deltarule-lessons";
const YEAR = 365 * 24 * 3600;
let kept = null;

function read() {
  const found = document.cookie.split("; ").find((one) => one.startsWith(`${NAME}=`));
  const entries = (found?.slice(NAME.length + 1) ?? "").split("~").filter(Boolean);
  return new Map(entries.map((entry) => {
    const [lesson, answer, met] = entry.split(".");
    return [lesson, { answer: answer === "" ? null : Number(answer), met: met === "1" }];
  }));
}

export function of(lesson) {
  kept ??= read();
  return kept.get(lesson) ?? { answer: null, met: false };
}

export function put(lesson, change) {
  const next = { ...of(lesson), ...change };
  kept.set(lesson, next);
  const text = [...kept].map(([name, { answer, met }]) => `${name}.${answer ?? ""}.${met ? 1 : 0}`).join("~");
  document.cookie = `${NAME}=${text}; max-age=${YEAR}; path=/; samesite=strict`;
}
