// A person at the dashboard: signs in by the one-time link, looks at every page in both colours and on both screens, and
// does what people do there. Whatever a browser complains about ends the walk with its words.
//
// The task comes as JSON on stdin: { modules, browser, profile, program, home, link, lead, pages, fact, divergence, peer, member,
// role, file, address, deeds, shots, headline }: without deeds it only looks, and a headline is waited for before a picture is taken.
// The report goes to stdout as JSON: { complaints, seen, done }.
import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const task = JSON.parse(readFileSync(0, "utf8"));
const require = createRequire(join(task.modules, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 390, height: 844 };
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--force-prefers-reduced-motion",
];
const WAIT_MS = 60_000;
const SHOT_BYTES_MAX = 200_000;

const complaints = [];
const seen = [];
const done = [];
const complain = (where, what) => complaints.push(`${where}: ${what}`);

const context = await chromium.launchPersistentContext(task.profile, {
  executablePath: task.browser, headless: true, chromiumSandbox: false, args: FLAGS, viewport: WIDE,
});
// The browser says itself when something on a page is against the policy.
await context.addInitScript(() => {
  addEventListener("securitypolicyviolation", (event) => {
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
  });
});
const page = context.pages()[0] ?? await context.newPage();
page.setDefaultTimeout(WAIT_MS);
page.on("console", (message) => {
  if (message.type() === "error") complain(page.url(), `console: ${message.text()}`);
});
page.on("pageerror", (error) => complain(page.url(), `script: ${error.message}`));
page.on("response", (response) => {
  if (response.status() >= 400) complain(page.url(), `${response.status()} for ${response.url()}`);
});
page.on("dialog", (dialog) => { complain(page.url(), `a text opened a dialog: ${dialog.message()}`); dialog.dismiss(); });

// Runs one of axe's checks where the page's own policy does not hold: in a world of its own.
const session = await context.newCDPSession(page);
async function axeFindings() {
  await session.send("Page.enable");
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id, worldName: "axe" });
  const run = async (expression) => {
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
      expression, contextId: executionContextId, awaitPromise: true, returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  await run(`${axe};undefined`);
  return run(`axe.run(document).then((found) => found.violations
    .filter((one) => one.impact === "serious" || one.impact === "critical")
    .map((one) => one.id + " (" + one.impact + "): " + one.nodes.slice(0, 3).map((node) => node.target.join(" ") + " " + (node.any[0]?.message ?? "")).join("; ")))`);
}

async function open(path) {
  const answer = await page.goto(new URL(path, task.link).href, { waitUntil: "load" });
  if (answer.status() !== 200) complain(path, `answered ${answer.status()}`);
}

// Words of letters that stand on two lines: what should break is text between words, not a name.
async function brokenWords() {
  return page.evaluate(() => {
    const broken = new Set();
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const range = document.createRange();
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      if (text.parentElement.closest("code, .mono, .wrap, textarea, svg, script")) continue;
      for (const word of text.data.matchAll(/(?<![^\s,;:.(])[\p{L}_]{2,32}(?![^\s,;:.)])/gu)) {
        range.setStart(text, word.index);
        range.setEnd(text, word.index + word[0].length);
        if (new Set([...range.getClientRects()].map((one) => Math.round(one.top))).size > 1) broken.add(word[0]);
      }
    }
    return [...broken];
  });
}

async function look(path, colours, screen) {
  const where = `${path} (${colours}, ${screen.width} px)`;
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) {
    const culprits = await page.evaluate(() => [...document.querySelectorAll("body *")]
      .filter((one) => one.getBoundingClientRect().right > innerWidth + 1).slice(0, 4)
      .map((one) => `${one.tagName.toLowerCase()}${one.id ? "#" + one.id : ""}.${[...one.classList].join(".")}`));
    complain(where, `scrolls sideways by ${wide} px: ${culprits.join(", ")}`);
  }
  for (const word of await brokenWords()) complain(where, `a word is broken: ${word}`);
  for (const finding of await axeFindings()) complain(where, `axe: ${finding}`);
  seen.push(where);
}

async function shoot(name) {
  if (!task.shots) return;
  if (new URL(page.url()).pathname === "/") await page.locator("h1", { hasText: task.headline }).waitFor();
  const path = join(task.shots, `${name}.png`);
  await page.screenshot({ path });
  if (statSync(path).size > SHOT_BYTES_MAX) complain(name, `the picture has ${statSync(path).size} bytes`);
}

// A form that leads to another page.
async function send(what, button) {
  await Promise.all([page.waitForEvent("load"), button.click()]);
  const flash = page.locator(".flash");
  if (await flash.count()) {
    const good = await flash.first().evaluate((one) => one.classList.contains("ok"));
    if (!good) complain(what, `was answered: ${await flash.first().innerText()}`);
  }
  done.push(what);
}

const command = (...words) => execFileSync(task.program, ["--home", task.home, "--no-start", ...words], { encoding: "utf8" });

async function act(what, deed) {
  try {
    await deed();
  } catch (error) {
    complain(what, String(error.message).split("\n").slice(0, 4).join(" | "));
  }
}

// The link works once; the page behind it goes on by itself. A file may lead to it.
await page.goto(task.lead ? `file://${task.lead}` : task.link);
await page.waitForURL((url) => url.protocol !== "file:" && url.pathname === "/");
done.push("sign in");

const SHOTS = { "/": ["overview", "light wide", "light narrow", "dark wide", "dark narrow"], "/facts": ["facts", "light wide"], "/peers": ["peers", "dark wide"], "/content": ["content", "light wide"], "/charter": ["charter", "dark narrow"] };
for (const colours of ["light", "dark"]) {
  for (const screen of [WIDE, NARROW]) {
    await page.emulateMedia({ colorScheme: colours, reducedMotion: "reduce" });
    await page.setViewportSize(screen);
    for (const path of task.pages) {
      await act(path, async () => {
        await open(path);
        await look(path, colours, screen);
      });
      const [name, ...wanted] = SHOTS[path] ?? [];
      const size = screen === WIDE ? "wide" : "narrow";
      if (wanted.includes(`${colours} ${size}`)) await shoot(`dashboard-${name}-${colours}-${size}`);
    }
  }
}
if (!task.deeds) await report();
await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
await page.setViewportSize(WIDE);

await act("live update", async () => {
  await open("/");
  const text = "This line came while the page was open.";
  await page.evaluate(() => { window.sameDocument = true; });
  command("remember", text);
  await page.locator("#latest", { hasText: text }).waitFor();
  if (!await page.evaluate(() => window.sameDocument)) complain("live update", "the page was loaded again");
  done.push("live update");
});

await act("edit a fact", async () => {
  await open(`/facts/${task.fact}/edit`);
  await page.locator('textarea[name="content"]').fill("Edited in the browser.");
  await send("edit a fact", page.locator('main form[method="post"] button.primary').first());
  if (!command("facts", "show", task.fact).includes("Edited in the browser.")) complain("edit a fact", "nothing was edited");
});

await act("resolve a divergence", async () => {
  await open(`/divergences/${task.divergence}`);
  await send("resolve a divergence", page.locator('form[action$="/accept"] button').first());
  if (command("--json", "divergences", "list").includes(task.divergence)) complain("resolve a divergence", "it is still there");
});

await act("pause a peer", async () => {
  for (const [what, mode] of [["pause a peer", "paused"], ["go on with a peer", "sync"]]) {
    await open(`/peers/${task.peer}`);
    await send(what, page.locator('form[action$="/mode"] button'));
    const peers = JSON.parse(command("--json", "peers", "list"));
    const peer = peers.find((one) => one.peer_id === task.peer);
    if (peer.mode !== mode) complain(what, `the mode is ${peer.mode}`);
  }
});

await act("invite", async () => {
  await open("/invite");
  const role = page.locator('form[action="/invite"] select[name="role"]');
  if (await role.inputValue() !== "") complain("invite", "a role is chosen before a person has chosen one");
  await role.selectOption(task.role);
  await send("invite", page.locator('form[action="/invite"] button.primary'));
  if (!(await page.locator("#ticket-text").inputValue()).startsWith("antiphon join ")) complain("invite", "there is no ticket");
  if (await page.locator("svg.qr").count() !== 1) complain("invite", "there is no code to scan");
  await look("/invite, with a ticket", "light", WIDE);
});

await act("put content", async () => {
  await open("/content");
  await page.locator('form.upload input[name="address"]').fill(task.address);
  await page.locator('form.upload input[type="file"]').setInputFiles(task.file);
  await Promise.all([
    page.waitForURL((url) => url.pathname === "/content/document"),
    page.locator("form.upload button.primary").click(),
  ]);
  if (!command("content", "get", task.address).includes("sent by a browser")) complain("put content", "it is not there");
  done.push("put content");
});

await act("retry an outbox item", async () => {
  await open("/outbox");
  await send("retry an outbox item", page.locator('form[action="/outbox/retry"]:has(input[name="id"]) button').first());
});

await act("search", async () => {
  await open("/");
  await page.locator("#search").fill("browser");
  await Promise.all([page.waitForEvent("load"), page.locator("#search").press("Enter")]);
  await page.locator("#facts", { hasText: "Edited in the browser." }).waitFor();
  done.push("search");
});

await act("sign out", async () => {
  await open("/");
  await Promise.all([page.waitForEvent("load"), page.locator(".signout button").click()]);
  done.push("sign out");
});

await report();

async function report() {
  await context.close();
  process.stdout.write(JSON.stringify({ complaints, seen, done }), () => process.exit(0));
  await new Promise(() => {});
}
