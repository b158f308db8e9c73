import { PasswordInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { setUp } from "../api/calls.ts";
import { Form } from "../parts/Form.tsx";
import { LanguageChoice } from "../parts/LanguageChoice.tsx";
import { t } from "../text/text.ts";

const SHORTEST = 12;

/** The code of the link; it stands behind #, so that no log and no proxy sees it. */
function codeOfLink(): string {
  return decodeURIComponent(location.hash.slice(1));
}

/** The first start: who is the administrator. */
export function Setup({ onDone }: { onDone: () => void }) {
  const [code, setCode] = useState(codeOfLink);
  const [name, setName] = useState("admin");
  const [password, setPassword] = useState("");
  return (
    <main className="alone">
      <h1>tightloop</h1>
      <p>{t("setup.intro")}</p>
      <Form
        action={t("setup.create")}
        submit={async () => {
          await setUp(code, name, password);
          onDone();
        }}
      >
        <TextInput
          label={t("setup.code")}
          description={t("setup.code.help")}
          required
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
        />
        <TextInput
          label={t("login.name")}
          autoComplete="username"
          required
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <PasswordInput
          label={t("login.password")}
          description={t("setup.password.help", { count: SHORTEST })}
          autoComplete="new-password"
          required
          minLength={SHORTEST}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          visibilityToggleButtonProps={{ "aria-label": t("login.show") }}
        />
      </Form>
      <LanguageChoice />
    </main>
  );
}
