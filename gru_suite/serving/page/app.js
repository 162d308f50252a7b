// The list of models, the address (#/name), the token and the connection.
import { keepToken, listModels, serverResponds, storedToken, takeTokenFromAddress } from "./api.js";
import { showModel } from "./model_page.js";
import { h } from "./parts/nodes.js";
import { Status } from "./parts/status.js";

const RETRY_MS = 2000;
const main = document.getElementById("main");
const list = document.getElementById("models");
const connection = document.getElementById("connection");
const dialog = document.getElementById("token-dialog");
let models = null;
let leave = () => {};
let turn = 0;

const chosenName = () => decodeURIComponent(location.hash.replace(/^#\/?/, ""));

function drawList(current) {
  list.replaceChildren(...models.map(({ name, task }) => h("li", {},
    h("a", { href: `#/${encodeURIComponent(name)}`, "aria-current": name === current ? "page" : null },
      name, task === name ? null : h("small", {}, task.replaceAll("_", " "))))));
}

/** Show what the address names; with `focus`, move the focus to its title. */
async function route(focus) {
  turn += 1;
  const mine = turn;
  leave();
  leave = () => {};
  const status = new Status();
  main.replaceChildren(status.root);
  status.busy("Loading");
  try {
    models ??= await listModels();
    if (mine !== turn) return;
    const name = chosenName() || models[0]?.name;
    drawList(name);
    if (!name) {
      status.error("This server has no checkpoint.");
      return;
    }
    const page = await showModel(name);
    if (mine !== turn) {
      page.stop();
      return;
    }
    document.title = `${name} - GRU Suite`;
    main.replaceChildren(page.root);
    leave = page.stop;
    if (focus) page.root.querySelector("h1").focus();
  } catch (error) {
    if (mine === turn) status.error(error);
  }
}

function askForToken() {
  if (dialog.open) return;
  document.getElementById("token-title").textContent = storedToken()
    ? "The server does not accept this token" : "This server needs a token";
  dialog.showModal();
}

document.getElementById("token-form").addEventListener("submit", () => {
  const input = document.getElementById("token-input");
  keepToken(input.value);
  input.value = "";
  models = null;
  route(true);
});

let retrying = false;
async function waitForServer() {
  if (retrying) return;
  retrying = true;
  connection.textContent = "The server does not respond. Trying again every 2 seconds.";
  connection.hidden = false;
  do {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  } while (!(await serverResponds()));
  retrying = false;
  connection.textContent = "The server responds again.";
  setTimeout(() => { connection.hidden = true; }, RETRY_MS);
  // A page with a person's text stays as it is; one that never loaded is loaded now.
  if (!main.querySelector("h1")) route(false);
  else dispatchEvent(new CustomEvent("server-back"));
}

addEventListener("token-needed", askForToken);
addEventListener("server-gone", waitForServer);
addEventListener("hashchange", () => route(true));
document.getElementById("skip").addEventListener("click", () => main.focus());
// A file dropped beside its place would replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

takeTokenFromAddress();
route(false);
