"use strict";
// The page at `/`: everything a scan says is put in as text, never as markup.

const $ = (id) => document.getElementById(id);
const MODULES = {
  ssl_tls: "TLS", dns: "DNS", dnssec: "DNSSEC", dns_email: "Mail authentication", mail_transport: "Mail transport",
  http_headers: "HTTP headers", csp: "Content security policy", cookies: "Cookies", http_behaviour: "HTTP behaviour",
  open_ports: "Open ports", exposure: "Exposed files", subdomains: "Subdomains", whois: "Registration",
  reputation: "Reputation", tech_stack: "Software",
};
const STATES = { waiting: ["○", "waiting"], running: ["◔", "running"], done: ["●", "done"], not_tested: ["–", "not tested"] };
const SEVERITIES = ["critical", "high", "medium", "low", "info"];

let token = sessionStorage.getItem("token");

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function show(id, visible) { $(id).hidden = !visible; }

function say(id, message) {
  $(id).textContent = message || "";
  show(id, Boolean(message));
}

async function call(method, path, body, headers = {}) {
  const response = await fetch(path, {
    method,
    headers: {
      ...(body ? { "Content-Type": "application/json" } : {}),
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
      ...headers,
    },
    body: body ? JSON.stringify(body) : undefined,
  });
  if (!response.ok) throw await problem(response);
  return response;
}

async function problem(response) {
  if (response.status === 401 && token) forget();
  try {
    const body = await response.json();
    return new Error(body.message);
  } catch {
    return new Error(`The server answered ${response.status}. Try again.`);
  }
}

// Server-sent events over fetch, since EventSource can send neither a body nor a credential.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = {};
      for (const line of block.split("\n")) {
        const colon = line.indexOf(":");
        if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
      }
      if (fields.event) yield { name: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

function showProgress(progress) {
  $("bar").max = progress.total;
  $("bar").value = progress.done;
  $("modules").replaceChildren(...Object.entries(progress.modules).map(([name, state]) => {
    const [mark, word] = STATES[state];
    const item = element("li");
    item.dataset.module = name;
    item.dataset.state = state;
    const sign = element("span", mark, "mark");
    sign.setAttribute("aria-hidden", "true");
    item.append(sign, element("span", `${MODULES[name] || name}: ${word}`));
    return item;
  }));
}

// One box a check: the same thing in many places is one thing to understand and to mend.
function issueBox(issues) {
  const [first] = issues;
  const box = element("details");
  const head = element("summary");
  head.append(element("span", first.severity, `severity ${first.severity}`), element("span", first.finding, "finding"));
  if (issues.length > 1) head.append(element("span", `${issues.length} places`, "places"));
  const body = element("div");
  body.append(element("p", first.remediation));
  for (const issue of issues) {
    body.append(element("h4", issue.asset));
    if (Object.keys(issue.evidence).length) body.append(element("pre", JSON.stringify(issue.evidence, null, 2)));
    if (issue.reproduce) body.append(element("p", "See it yourself:", "dim"), element("pre", issue.reproduce));
  }
  if (first.references.length) body.append(element("p", `Source: ${first.references.join("; ")}`, "dim"));
  box.append(head, body);
  return box;
}

function issueBoxes(issues) {
  const checks = new Map();
  for (const issue of issues) checks.set(issue.id, [...(checks.get(issue.id) || []), issue]);
  return [...checks.values()].map(issueBox);
}

function showResult(report, issues, more) {
  $("result-title").textContent = report.domain;
  $("grade").textContent = report.grade;
  $("grade").className = `grade ${report.grade}`;
  $("grade").setAttribute("aria-label", `Grade ${report.grade}`);
  $("score").textContent = report.score;
  $("risk").textContent = `Risk: ${report.risk_level}`;
  $("coverage").textContent = report.coverage === undefined ? "" : `${Math.round(report.coverage * 100)} % of the checks could be made`;
  const counted = SEVERITIES.filter((name) => report[`${name}_issues`]).map((name) => `${report[`${name}_issues`]} ${name}`);
  $("counts").textContent = `${report.total_issues} issues${counted.length ? `: ${counted.join(", ")}` : ""}`;
  $("scores").replaceChildren(...Object.entries(report.modules).map(([name, module]) => {
    const item = element("li");
    const track = element("div", undefined, "track");
    const filled = element("span");
    filled.style.width = `${module.score ?? 0}%`;
    track.append(filled);
    item.append(element("span", MODULES[name] || name), track,
      element("span", module.score === null ? "not tested" : `${module.score} (${module.grade})`));
    return item;
  }));
  $("findings").replaceChildren(...issueBoxes(issues));
  if (!issues.length) $("findings").append(element("p", "None."));
  $("more").textContent = more;
  show("progress", false);
  show("result", true);
  $("result").focus({ preventScroll: false });
}

async function freeScan(domain) {
  const response = await call("POST", "/v1/scan/free", { domain }, { Accept: "text/event-stream" });
  for await (const event of events(response)) {
    if (event.name === "progress") showProgress(event.data.progress);
    if (event.name !== "done") continue;
    if (event.data.error) throw new Error(event.data.message);
    showResult(event.data, event.data.top_issues, event.data.upgrade_cta.message);
  }
}

async function accountScan(domain) {
  const job = await (await call("POST", "/v1/scan", { domain })).json();
  showProgress(job.progress);
  let last = job;
  for await (const event of events(await call("GET", `/v1/scan/jobs/${job.job_id}/events`))) {
    showProgress(event.data.progress);
    last = event.data;
  }
  if (last.status !== "completed") throw new Error(`The scan failed: ${last.failure_reason || "it did not end"}`);
  const report = await (await call("GET", `/v1/scan/jobs/${job.job_id}/report`, undefined, { Accept: "application/json" })).json();
  showResult(report, report.issues, "");
}

$("scan").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.target.querySelector("button");
  const domain = $("domain").value.trim();
  say("scan-error", "");
  show("result", false);
  $("progress-title").textContent = `Scanning ${domain}`;
  $("modules").replaceChildren();
  $("bar").value = 0;
  show("progress", true);
  button.disabled = true;
  try {
    await (token ? accountScan(domain) : freeScan(domain));
  } catch (error) {
    show("progress", false);
    say("scan-error", error instanceof TypeError ? "The server cannot be reached. Try again." : error.message);
  } finally {
    button.disabled = false;
  }
});

function signedIn(email) {
  show("signed-out", !token);
  show("signed-in", Boolean(token));
  $("account-link").textContent = token ? "Account" : "Sign in";
  $("who").textContent = email ? `Signed in as ${email}.` : "";
}

function forget() {
  token = null;
  sessionStorage.removeItem("token");
  show("key-box", false);
  signedIn();
}

$("signup").addEventListener("submit", async (event) => {
  event.preventDefault();
  const action = event.submitter?.value || "signup";
  say("sign-error", "");
  try {
    const response = await call("POST", `/v1/auth/${action}`, { email: $("email").value.trim(), password: $("password").value });
    const session = await response.json();
    token = session.token;
    sessionStorage.setItem("token", token);
    $("password").value = "";
    signedIn(session.user.email);
  } catch (error) {
    say("sign-error", error.message);
  }
});

$("make-key").addEventListener("click", async () => {
  say("key-error", "");
  try {
    const made = await (await call("POST", "/v1/auth/api-keys", { name: "from the page" })).json();
    $("key").textContent = made.key;
    $("curl").textContent = `curl -X POST "${location.origin}/v1/scan" -H "Authorization: Bearer ${made.key}" -H "Content-Type: application/json" -d '{"domain": "example.com"}'`;
    show("key-box", true);
  } catch (error) {
    say("key-error", error.message);
  }
});

$("sign-out").addEventListener("click", async () => {
  try { await call("POST", "/v1/auth/logout"); } catch { /* the session is over either way */ }
  forget();
});

(async () => {
  signedIn();
  if (!token) return;
  try {
    signedIn((await (await call("GET", "/v1/auth/me")).json()).email);
  } catch { /* `problem` has forgotten a token that is no longer good */ }
})();
