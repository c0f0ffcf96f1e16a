// What was done in lessons: the answer that was chosen, the goal that was met. It is kept in a
// cookie, for the page has another port, and so another local storage, each time it is served.

const NAME = "deltarule-lessons";
const YEAR = 365 * 24 * 3600;
let kept = new Map();  // where a browser takes no cookies

// Anew each time, for another tab may have gone on.
function read() {
  if (!navigator.cookieEnabled) return kept;
  const found = document.cookie.split("; ").find((one) => one.startsWith(`${NAME}=`));
  const entries = (found?.slice(NAME.length + 1) ?? "").split("~").filter(Boolean);
  return new Map(entries.map((entry) => {
    const [lesson, answer, met] = entry.split(".");
    return [lesson, { answer: answer === "" ? null : Number(answer), met: met === "1" }];
  }));
}

export const of = (lesson) => read().get(lesson) ?? { answer: null, met: false };

export function put(lesson, change) {
  kept = read();
  kept.set(lesson, { ...of(lesson), ...change });
  const text = [...kept].map(([name, { answer, met }]) => `${name}.${answer ?? ""}.${met ? 1 : 0}`).join("~");
  document.cookie = `${NAME}=${text}; max-age=${YEAR}; path=/; samesite=strict`;
}
