import { NativeSelect } from "@mantine/core";
import { setLanguage, t, useLanguage } from "../text/text.ts";

/** English or Polish, each by its own name. */
export function LanguageChoice() {
  const language = useLanguage();
  return (
    <NativeSelect
      label={t("settings.language")}
      value={language}
      onChange={(event) => setLanguage(event.currentTarget.value === "pl" ? "pl" : "en")}
    >
      <option value="en" lang="en">
        English
      </option>
      <option value="pl" lang="pl">
        Polski
      </option>
    </NativeSelect>
  );
}
