/** A browser on the pages, its complaints kept, and what every page must hold. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium, type Browser, type Page } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];

export interface Given {
  /** Of the gateway, without a path. */
  readonly address: string;
  readonly setup: string;
  readonly chromium: string;
  /** Folder for pictures; none are made without. */
  readonly pictures: string | undefined;
}

/** What the caller said in the environment. Throws where something is missing. */
export function given(): Given {
  const need = (name: string): string => {
    const value = process.env[name];
    if (value === undefined) {
      throw new Error(`${name} is not set`);
    }
    return value;
  };
  return {
    address: need("TIGHTLOOP_ADDRESS"),
    setup: need("TIGHTLOOP_SETUP"),
    chromium: need("TIGHTLOOP_CHROMIUM"),
    pictures: process.env["TIGHTLOOP_PICTURES"],
  };
}

export async function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-background-networking"] });
}

/** Keep what the browser complains of: errors, violations of the policy. Network errors are the test's own doing. */
export async function watch(page: Page): Promise<string[]> {
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (
      message.type() === "error" &&
      !message.text().startsWith("Failed to load resource") &&
      !message.text().includes("WebSocket connection")
    ) {
      complaints.push(`console: ${message.text()}`);
    }
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
    });
  });
  return complaints;
}

/** The violations that axe finds on the page as it is. */
export async function axe(page: Page, where: string): Promise<string[]> {
  await page.evaluate(AXE);
  const found = await page.evaluate(async (rules) => {
    const answer = await globalThis.axe.run(document, { runOnly: rules });
    return answer.violations.map(
      (violation) => `${violation.id}: ${violation.nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`,
    );
  }, RULES);
  return found.map((violation) => `${where}: ${violation}`);
}

declare global {
  var axe: {
    run: (
      root: Document,
      options: { runOnly: string[] },
    ) => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
  };
}

export async function picture(page: Page, folder: string | undefined, name: string): Promise<void> {
  if (folder !== undefined) {
    await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
  }
}

/** Wait until something is true of the page; say what it was when it never is. */
export async function until(page: Page, what: string, holds: () => Promise<boolean>, seconds = 60): Promise<void> {
  const lastMs = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > lastMs) {
      throw new Error(
        `${what}: not within ${String(seconds)} s; the page says:\n${(await page.innerText("body")).slice(0, 3000)}`,
      );
    }
    await page.waitForTimeout(100);
  }
}
