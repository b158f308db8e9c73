/**
 * From the first start to the emergency stop: setup, a paper session in two clicks, a position and why it is open, all
 * pages in both themes and languages, on a phone, by keyboard alone, with the connection cut, and everything closed.
 */

import assert from "node:assert/strict";
import { axe, given, launch, picture, until, watch } from "./driver.ts";

const PASSWORD = "a long test password 47";
const PATHS = [
  "/",
  "/strategies",
  "/strategies/first_paper",
  "/signals",
  "/orders",
  "/sessions",
  "/risk",
  "/system",
  "/settings",
];
const { address, setup, chromium, pictures } = given();

const browser = await launch(chromium);
try {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    colorScheme: "light",
    locale: "en-GB",
  });
  const page = await context.newPage();
  const complaints = await watch(page);
  const violations: string[] = [];
  const answer = () => page.innerText("[data-answer]");

  // first start
  await page.goto(setup);
  await page.locator("input[type=password]").waitFor();
  violations.push(...(await axe(page, "setup")));
  await picture(page, pictures, "setup-light");
  await page.locator("input[type=password]").fill(PASSWORD);
  await page.getByRole("button", { name: "Create the administrator" }).click();
  await page.getByText("No session runs", { exact: false }).first().waitFor();
  assert.equal(new URL(page.url()).pathname, "/");
  assert.match(await answer(), /^No position/);

  // two clicks
  await page.getByLabel("Strategy").selectOption("first_paper");
  violations.push(...(await axe(page, "now, nothing runs")));
  await picture(page, pictures, "now-empty-light");
  await page.getByRole("button", { name: "Start paper" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("first_paper").waitFor();
  violations.push(...(await axe(page, "start, asked")));
  await dialog.getByRole("button", { name: "Start", exact: true }).click();
  await until(page, "a session that runs", async () =>
    (await page.locator("[data-state-word]").allInnerTexts()).includes("running"),
  );
  assert.equal(await page.innerText("[data-ribbon]"), "PAPER");

  // a position, its gain from the server, and why
  await until(
    page,
    "a position in the answer",
    async () => /^(LONG|SHORT) [\d.,\s]+ (BTC|ETH) [+−]?\d/.test(await answer()),
    120,
  );
  await until(
    page,
    "why it is open",
    async () => (await page.locator('[data-position] [data-why="S1"] li').count()) > 0,
  );
  assert.match(await page.locator('[data-position] [data-why="S1"]').first().innerText(), /fast/);
  assert.match(await answer(), /stop [\d.\s]+/);
  assert.match(await answer(), /because Z1 fired \d\d:\d\d:\d\d/);
  violations.push(...(await axe(page, "now, a position")));
  await picture(page, pictures, "now-position-light");

  // what is shown is what the API says
  const shown = await page.locator("[data-position] h2").allInnerTexts();
  const told: unknown = await page.evaluate(
    async () => (await (await fetch("/api/v1/positions?status=open")).json()) as unknown,
  );
  const rows = (told as { items: { side: string; qty: string; instrument: string }[] }).items;
  const words = rows.map(
    (row) => `${row.side} ${row.qty.replace("-", "")} ${row.instrument.replace(/^\w+:(\w+)USDT-perp$/, "$1")}`,
  );
  assert.deepEqual(shown.map((text) => text.replaceAll("\u202f", "")).sort(), words.sort());

  // every page, both themes
  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const path of PATHS) {
      await page.goto(address + path);
      await page.locator("[data-answer]").waitFor();
      await page.locator("main h1").first().waitFor({ state: "attached" });
      await page.waitForTimeout(300); // so that skeletons are gone
      violations.push(...(await axe(page, `${path} ${scheme}`)));
      await picture(page, pictures, `page${path.replaceAll("/", "-")}-${scheme}`);
    }
  }

  // the builder names the line
  await page.goto(`${address}/strategies/first_paper`);
  const yaml = page.getByLabel("Strategy file (YAML)");
  await page.locator('[data-verdict="valid"]').waitFor();
  await yaml.fill((await yaml.inputValue()).replace("type: TWPA, t1: 3", "type: NO_SUCH, t1: 3"));
  await page.locator('[data-verdict="invalid"]').waitFor();
  assert.match(await page.locator('[data-verdict="invalid"]').innerText(), /line 10 /);
  assert.ok(await page.getByRole("button", { name: "Save as a new version" }).isDisabled());

  // keyboard alone: to the orders, back to Now, the table of keys, and out of it by Escape
  await page.goto(`${address}/settings`);
  await page.locator("[data-answer]").waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("o");
  await page.getByRole("heading", { name: "Orders & fills" }).waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
  violations.push(...(await axe(page, "keys")));
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("dialog").count(), 0);

  // Polish
  await page.goto(`${address}/settings`);
  await page.getByLabel("Language").selectOption("pl");
  await page.getByRole("heading", { name: "Ustawienia" }).waitFor();
  await page.goto(`${address}/`);
  await until(page, "the answer in Polish", async () => /DŁUGA|KRÓTKA|Brak pozycji/.test(await answer()));
  violations.push(...(await axe(page, "now, Polish")));
  await picture(page, pictures, "now-polish-dark");
  await page.goto(`${address}/settings`);
  await page.getByLabel("Język").selectOption("en");

  // a phone: nothing wider than the screen
  await page.setViewportSize({ width: 390, height: 844 });
  for (const path of PATHS) {
    await page.goto(address + path);
    await page.locator("[data-answer]").waitFor();
    await page.waitForTimeout(200);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `${path} is ${String(width)} px wide on a phone`);
    await picture(page, pictures, `phone${path.replaceAll("/", "-")}-dark`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });

  // the connection is cut: said at once; and back without a reload
  await page.goto(`${address}/`);
  await until(page, "an open connection", async () => (await page.locator('[data-link="open"]').count()) === 1);
  await page.evaluate(() => {
    document.documentElement.setAttribute("data-not-reloaded", "true");
  });
  await context.setOffline(true);
  await until(page, "the loss in the answer", async () => (await answer()).includes("connection lost"), 30);
  violations.push(...(await axe(page, "now, lost")));
  await picture(page, pictures, "now-lost-dark");
  await context.setOffline(false);
  await until(page, "the connection again", async () => (await page.locator('[data-link="open"]').count()) === 1, 60);
  assert.equal(await page.locator("html[data-not-reloaded]").count(), 1);

  // emergency stop by Escape twice: what is open is closed, and it stays stopped until somebody rearms
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").getByText("Closes at market").waitFor();
  violations.push(...(await axe(page, "emergency stop, asked")));
  await picture(page, pictures, "emergency-dark");
  await page.keyboard.press("Enter");
  await page.getByText("Entries are stopped for", { exact: false }).waitFor();
  await page.goto(`${address}/`);
  await until(page, "no position after the emergency stop", async () => (await answer()).startsWith("No position"));
  await until(page, "the stop in the answer", async () => (await answer()).includes("entries stopped"));
  violations.push(...(await axe(page, "now, stopped")));
  await picture(page, pictures, "now-stopped-dark");

  assert.deepEqual(complaints, [], "the browser complains");
  assert.deepEqual([...new Set(violations)], [], "axe finds violations");
  console.log("done");
} finally {
  await browser.close();
}
