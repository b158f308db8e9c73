import { PasswordInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { enter } from "../api/calls.ts";
import { Form } from "../parts/Form.tsx";
import { LanguageChoice } from "../parts/LanguageChoice.tsx";
import { t } from "../text/text.ts";

/** Name and password. */
export function Login({ onDone }: { onDone: () => void }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  return (
    <main className="alone">
      <h1>tightloop</h1>
      <Form
        action={t("login.enter")}
        submit={async () => {
          await enter(name, password);
          onDone();
        }}
      >
        <TextInput
          label={t("login.name")}
          autoComplete="username"
          required
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <PasswordInput
          label={t("login.password")}
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          visibilityToggleButtonProps={{ "aria-label": t("login.show") }}
        />
      </Form>
      <LanguageChoice />
    </main>
  );
}
