// Calls of the server. Every failure is an ApiError whose message is a sentence for a person.

const TOKEN = "gru-suite-token";
// Works behind a proxy that serves the page below a path.
const BASE = new URL(".", location.href).pathname;
const GONE = "The server does not respond.";

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export const storedToken = () => sessionStorage.getItem(TOKEN);
export const keepToken = (token) => sessionStorage.setItem(TOKEN, token);

/** Move the token of `?token=` from the address bar to the storage of this tab. */
export function takeTokenFromAddress() {
  const address = new URL(location.href);
  const token = address.searchParams.get("token");
  if (token === null) return;
  keepToken(token);
  address.searchParams.delete("token");
  history.replaceState(null, "", address);
}

function headers() {
  const token = storedToken();
  return token ? { Authorization: `Bearer ${token}` } : {};
}

function failure(status, text) {
  let message = status ? `The server answered with status ${status}.` : GONE;
  try {
    message = JSON.parse(text).error ?? message;
  } catch {
    // Not ours: a proxy's page, for instance.
  }
  if (status === 401) dispatchEvent(new CustomEvent("token-needed"));
  if (status === 0) dispatchEvent(new CustomEvent("server-gone"));
  return new ApiError(message, status);
}

/** Send with XMLHttpRequest: fetch cannot tell how much of an upload has left. */
function sendForm(path, form, signal, onUpload) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open("POST", path);
    for (const [key, value] of Object.entries(headers())) call.setRequestHeader(key, value);
    if (onUpload) {
      call.upload.addEventListener("progress", (event) => onUpload(event.loaded / event.total));
      call.upload.addEventListener("load", () => onUpload(1));
    }
    call.addEventListener("load", () => resolve({
      status: call.status, text: call.responseText, retryAfter: call.getResponseHeader("Retry-After"),
    }));
    call.addEventListener("error", () => resolve({ status: 0, text: "", retryAfter: null }));
    call.addEventListener("abort", () => reject(new DOMException("Stopped.", "AbortError")));
    signal?.addEventListener("abort", () => call.abort());
    call.send(form);
  });
}

async function sendJson(path, body, signal) {
  const options = { headers: headers(), signal };
  if (body !== undefined) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  try {
    const response = await fetch(path, options);
    return {
      status: response.status, text: await response.text(), retryAfter: response.headers.get("Retry-After"),
    };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { status: 0, text: "", retryAfter: null };
  }
}

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function call(path, { body, form, signal, onUpload } = {}) {
  const send = () => (form ? sendForm(BASE + path, form, signal, onUpload) : sendJson(BASE + path, body, signal));
  let answer = await send();
  if ([429, 503].includes(answer.status) && answer.retryAfter) {
    await wait(1000 * Math.min(5, Number(answer.retryAfter) || 1));
    answer = await send();
  }
  if (answer.status < 200 || answer.status >= 300) throw failure(answer.status, answer.text);
  return JSON.parse(answer.text);
}

/** `source` is {input} as JSON or {file}; other keys travel with it. */
function post(name, verb, source, options) {
  const path = `v1/models/${encodeURIComponent(name)}/${verb}`;
  if (!source.file) return call(path, { body: source, ...options });
  const form = new FormData();
  for (const [key, value] of Object.entries(source)) {
    if (key === "file") form.append("files", value, value.name);
    else form.append(key, String(value));
  }
  return call(path, { form, ...options });
}

export const listModels = async () => (await call("v1/models")).models;
export const describeModel = (name) => call(`v1/models/${encodeURIComponent(name)}`);
export const explain = (name, source, options) => post(name, "explain", source, options);
export const gateValues = (name, source, options) => post(name, "gates", source, options);

/** Return the one prediction of one input. */
export async function predict(name, source, options) {
  return (await post(name, "predict", source, options)).predictions[0];
}

export async function serverResponds() {
  return (await sendJson(`${BASE}health`)).status !== 0;
}

/** Open a stream; `onMessage` gets each message, `onClose` a sentence, or null after an `end`. */
export function openStream(name, onMessage, onClose) {
  const address = new URL(`${BASE}v1/models/${encodeURIComponent(name)}/stream`, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  address.hash = "";
  if (storedToken()) address.searchParams.set("token", storedToken());
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  let refusal = null;
  let ready = false;
  socket.addEventListener("message", (event) => {
    const message = JSON.parse(event.data);
    if (message.type === "ready") ready = true;
    if (message.type === "error" && !ready) refusal = message.error;
    else onMessage(message);
  });
  socket.addEventListener("close", (event) => {
    if (event.code === 1000) {
      onClose(null);
      return;
    }
    serverResponds().then((responds) => responds || dispatchEvent(new CustomEvent("server-gone")));
    onClose(refusal ?? (event.reason || "The stream to the server has ended."));
  });
  return socket;
}
