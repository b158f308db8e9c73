import { Button, Checkbox, NativeSelect, PasswordInput, useMantineColorScheme } from "@mantine/core";
import { useState } from "react";
import { changePassword, type User } from "../api/calls.ts";
import { setDisplay, useDisplay } from "../live/display.ts";
import { Form } from "../parts/Form.tsx";
import { LanguageChoice } from "../parts/LanguageChoice.tsx";
import { Word } from "../parts/Word.tsx";
import { t } from "../text/text.ts";

const SHORTEST = 12;

function Password() {
  const [old, setOld] = useState("");
  const [wanted, setWanted] = useState("");
  const [isDone, setIsDone] = useState(false);
  const show = { "aria-label": t("login.show") };
  return (
    <Form
      action={t("settings.change")}
      submit={async () => {
        await changePassword(old, wanted);
        setOld("");
        setWanted("");
        setIsDone(true);
      }}
    >
      <PasswordInput
        label={t("settings.old")}
        autoComplete="current-password"
        required
        value={old}
        onChange={(event) => setOld(event.currentTarget.value)}
        visibilityToggleButtonProps={show}
      />
      <PasswordInput
        label={t("settings.new")}
        description={t("setup.password.help", { count: SHORTEST })}
        autoComplete="new-password"
        required
        minLength={SHORTEST}
        value={wanted}
        onChange={(event) => setWanted(event.currentTarget.value)}
        visibilityToggleButtonProps={show}
      />
      {isDone ? <p role="status">{t("settings.changed")}</p> : null}
    </Form>
  );
}

/** Who is here, how it looks, and what it is made of. */
export default function Settings({ user, onLeave }: { user: User; onLeave: () => void }) {
  const display = useDisplay();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <>
      <h1>{t("page.settings")}</h1>
      <div className="columns">
        <div>
          <section className="card">
            <h2>{t("settings.account")}</h2>
            <p>
              <strong>{user.name}</strong> – <Word of="role" word={user.role} />
            </p>
            <Button variant="default" onClick={onLeave}>
              {t("settings.leave")}
            </Button>
          </section>
          <section className="card">
            <h2>{t("settings.password")}</h2>
            <Password />
          </section>
        </div>
        <div>
          <section className="card">
            <h2>{t("settings.display")}</h2>
            <LanguageChoice />
            <NativeSelect
              label={t("settings.theme")}
              value={colorScheme}
              onChange={(event) => {
                const chosen = event.currentTarget.value;
                setColorScheme(chosen === "dark" || chosen === "light" ? chosen : "auto");
              }}
              data={[
                { value: "auto", label: t("settings.theme.auto") },
                { value: "light", label: t("settings.theme.light") },
                { value: "dark", label: t("settings.theme.dark") },
              ]}
            />
            <NativeSelect
              label={t("settings.zone")}
              value={display.isUtc ? "utc" : "local"}
              onChange={(event) => setDisplay({ isUtc: event.currentTarget.value === "utc" })}
              data={[
                { value: "utc", label: "UTC" },
                { value: "local", label: t("clock.local") },
              ]}
            />
            <Checkbox
              mt="sm"
              label={t("settings.compact")}
              checked={display.isCompact}
              onChange={(event) => setDisplay({ isCompact: event.currentTarget.checked })}
            />
            <Checkbox
              mt="sm"
              label={t("settings.letters")}
              checked={display.hasLetters}
              onChange={(event) => setDisplay({ hasLetters: event.currentTarget.checked })}
            />
            <Checkbox
              mt="sm"
              label={t("settings.silent")}
              checked={display.isSilent}
              onChange={(event) => setDisplay({ isSilent: event.currentTarget.checked })}
            />
          </section>
          <section className="card">
            <h2>{t("settings.about")}</h2>
            <p>{t("settings.licence")}</p>
            <p>
              TradingView Lightweight Charts™ © 2025 TradingView, Inc.{" "}
              <a href="https://www.tradingview.com/" rel="noreferrer noopener" target="_blank">
                tradingview.com
              </a>{" "}
              (Apache-2.0) · Mantine (MIT) · React (MIT) · wouter (Unlicense) · openapi-fetch (MIT)
            </p>
          </section>
        </div>
      </div>
    </>
  );
}
