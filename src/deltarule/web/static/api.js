// Asking the server. Whatever goes wrong is thrown as an Error whose message is for people.

const key = new URLSearchParams(location.search).get("key") ?? "";
export const LARGEST_TABLE = 32 * 1024 * 1024;

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { "x-deltarule-key": key, ...options.headers } });
  } catch {
    throw new Error("deltarule watch no longer runs: start it again, and open the address it prints");
  }
  let said = {};
  try { said = await answer.json(); } catch { /* no words were sent */ }
  if (answer.ok && !said.refused) return said;
  throw new Error(said.refused ?? said.error ?? "that did not work");
}

export const get = (path) => ask(path);

export const post = (path, question) =>
  ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(question) });

export async function bring(file, instead) {
  if (file.size > LARGEST_TABLE) {
    throw new Error(`${file.name} has ${Math.round(file.size / 2 ** 20)} MB, and the page takes 32: give it to deltarule watch on the command line`);
  }
  const path = `/api/tables?${new URLSearchParams({ name: file.name, ...(instead && { instead }) })}`;
  return ask(path, { method: "POST", headers: { "content-type": "application/octet-stream" }, body: file });
}

export async function download(path, name) {
  const { file } = await ask(path);
  const address = URL.createObjectURL(new Blob([file]));
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
