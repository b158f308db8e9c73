/** Calls of the API: who asks, again after a renewal, and refusals as one type. */

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.d.ts";

const NETWORK = 0;
const UNAUTHORIZED = 401;
const FORBIDDEN = 403;
const RENEWED = "tightloop.renewed";
const RENEWAL = "/api/v1/auth/refresh";
const CSRF = "/api/v1/auth/csrf";
const OPEN = ["/auth/login", "/auth/setup", "/auth/refresh"];

interface Problem {
  readonly title?: string;
  readonly detail?: string | null;
  readonly code?: string;
  readonly request_id?: string;
  readonly errors?: readonly {
    readonly path?: string;
    readonly line?: number | null;
    readonly detail?: string;
    readonly remedy?: string | null;
  }[];
}

/** What the server refused, in its words; status 0 when it could not be reached. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly words: string,
    readonly errors: readonly string[] = [],
    readonly requestId: string | null = null,
  ) {
    super(words);
  }

  static of(error: unknown): Refusal {
    return error instanceof Refusal ? error : new Refusal(NETWORK, "unreachable", String(error));
  }

  static async from(response: Response): Promise<Refusal> {
    const problem = (await response.json().catch(() => ({}))) as Problem;
    return Refusal.told(response, problem);
  }

  static told(response: Response, problem: Problem): Refusal {
    const errors = (problem.errors ?? []).map((each) =>
      [
        each.line === undefined || each.line === null ? each.path : `line ${each.line}: ${each.path ?? ""}`,
        each.detail,
        each.remedy,
      ]
        .filter(Boolean)
        .join(" – "),
    );
    const words = problem.detail ?? problem.title ?? response.statusText;
    const requestId = problem.request_id ?? response.headers.get("X-Request-ID");
    return new Refusal(response.status, problem.code ?? String(response.status), words, errors, requestId);
  }
}

const leavers = new Set<() => void>();
let csrf: string | null = null;

/** Tell when the server no longer knows who asks. */
export function onLeft(call: () => void): () => void {
  leavers.add(call);
  return () => leavers.delete(call);
}

/** Forget the token of the last user. */
export function forget(): void {
  csrf = null;
}

async function csrfToken(): Promise<string | null> {
  if (csrf === null) {
    const response = await fetch(CSRF);
    csrf = response.ok ? ((await response.json()) as components["schemas"]["Csrf"]).token : null;
  }
  return csrf;
}

function renewedMs(): number {
  return Number(localStorage.getItem(RENEWED) ?? 0);
}

/** Renew the session; of many tabs one does it, since a token that was used is not taken again. */
async function renew(sinceMs: number): Promise<boolean> {
  return navigator.locks.request("tightloop.renewal", async () => {
    if (renewedMs() >= sinceMs) {
      return true;
    }
    const response = await fetch(RENEWAL, { method: "POST" });
    if (response.ok) {
      localStorage.setItem(RENEWED, String(Date.now()));
    }
    return response.ok;
  });
}

async function withToken(request: Request): Promise<Response> {
  const copy = request.clone();
  const token = request.method === "GET" ? null : await csrfToken();
  if (token !== null) {
    copy.headers.set("X-CSRF-Token", token);
  }
  return fetch(copy);
}

async function isOfCsrf(response: Response): Promise<boolean> {
  const problem = (await response
    .clone()
    .json()
    .catch(() => ({}))) as Problem;
  return problem.code?.startsWith("csrf_") ?? false;
}

async function authorized(request: Request): Promise<Response> {
  if (OPEN.some((path) => new URL(request.url).pathname.endsWith(path))) {
    return fetch(request);
  }
  const startMs = Date.now();
  let response = await withToken(request);
  if (response.status === FORBIDDEN && (await isOfCsrf(response))) {
    csrf = null;
    response = await withToken(request);
  }
  if (response.status === UNAUTHORIZED) {
    csrf = null;
    if (await renew(startMs)) {
      response = await withToken(request);
    } else {
      leavers.forEach((call) => call());
    }
  }
  return response;
}

export const api = createClient<paths>({ baseUrl: location.origin, fetch: authorized });

interface Answer<T> {
  readonly data?: T;
  readonly error?: unknown;
  readonly response: Response;
}

/** The content of an answer. Throws Refusal for any but a success. */
export async function must<T>(answer: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await answer;
  if (!response.ok) {
    throw Refusal.told(response, typeof error === "object" && error !== null ? error : {});
  }
  return data as T;
}

/** A key that makes a repeated click one act. */
export function newKey(): string {
  return crypto.randomUUID();
}
