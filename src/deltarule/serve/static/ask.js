// Asking the server, with the token if there is one. What it answers is shown as text, never as HTML.

let token = "";

export const element = (id) => document.getElementById(id);

export function made(tag, text = "", attributes = {}) {
  const node = document.createElement(tag);
  node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

export function trouble(text) {
  element("trouble").textContent = text;
  element("trouble").hidden = !text;
}

// The answer; a problem is thrown as it came, with its field and row.
export async function ask(path, { body, accept = "application/json" } = {}) {
  const headers = { accept };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const method = body === undefined ? "GET" : "POST";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw await answer.json();
  return accept === "application/json" ? answer.json() : answer.text();
}

// Opens the page; where a token is needed, once it was entered.
export async function open(begin) {
  element("enter").addEventListener("submit", async (event) => {
    event.preventDefault();
    token = element("token").value;
    await attempt(begin);
  });
  await attempt(begin);
}

async function attempt(begin) {
  try {
    await begin();
    element("enter").hidden = true;
    trouble("");
  } catch (problem) {
    element("enter").hidden = problem.status !== 401;
    trouble(problem.status === 401 && !token ? "" : problem.detail ?? "the server does not answer");
  }
}
