// Shows how this very page is answered, and asks for it again under a condition. No dependency, no build.

const PAGE = location.pathname;
const ORDER = ["server", "date", "content-type", "etag", "last-modified", "content-length"];
const element = (id) => document.getElementById(id);

/** The head as it stands on the wire, as far as a script may see it. */
function written(response) {
  const place = (name) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  const fields = [...response.headers].sort(([a], [b]) => place(a) - place(b));
  return [`HTTP/1.1 ${response.status} ${response.statusText}`, ...fields.map(([name, value]) => `${name}: ${value}`)];
}

/** Light the atoms that a kept connection passes for one request. */
async function light() {
  for (const name of ["read", "decide", "respond"]) {
    const atom = document.querySelector(`[data-atom="${name}"]`);
    atom.classList.add("lit");
    setTimeout(() => atom.classList.remove("lit"), 900);
    await new Promise((done) => setTimeout(done, 150));
  }
}

/** A condition set by hand goes out as it is and its 304 comes back as it is: the browser's cache stays out of it. */
async function ask(tag) {
  light();
  const began = performance.now();
  const response = await fetch(PAGE, { headers: { "If-None-Match": tag } });
  const body = await response.arrayBuffer();
  const took = (performance.now() - began).toFixed(1);
  element("answer").textContent = [
    `GET ${PAGE} HTTP/1.1`,
    `If-None-Match: ${tag}`,
    "",
    ...written(response),
    "",
    `(${body.byteLength} bytes of content, ${took} ms)`,
  ].join("\n");
}

async function start() {
  const response = await fetch(PAGE, { method: "HEAD", cache: "no-store" });
  element("head").textContent = written(response).join("\n");
  const tag = response.headers.get("ETag");
  if (tag === null) return;
  for (const [id, condition] of [["ask", tag], ["ask-other", '"another"']]) {
    const button = element(id);
    button.addEventListener("click", () => ask(condition).catch(failed("answer")));
    button.disabled = false;
  }
}

/** What to do when the server is gone: say so in the place where its answer would stand. */
function failed(id) {
  return (error) => {
    element(id).textContent = `No answer: ${error.message}`;
  };
}

start().catch(failed("head"));
