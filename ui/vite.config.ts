import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The address of a gateway that `vite` (dev.py ui --watch) passes requests on to.
const GATEWAY = process.env["TIGHTLOOP_GATEWAY"] ?? "http://127.0.0.1:8600";

export default defineConfig({
  plugins: [react()],
  // The gateway puts a fresh nonce in the place of this word at each answer.
  html: { cspNonce: "__NONCE__" },
  build: {
    outDir: "../src/tightloop/app/api/pages",
    emptyOutDir: true,
    manifest: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: {
    host: "127.0.0.1",
    proxy: {
      "/api": { target: GATEWAY },
      "/health": { target: GATEWAY },
      "/ws": { target: GATEWAY, ws: true },
    },
  },
  test: { include: ["tests/unit/**/*.test.ts"], environment: "node" },
});
