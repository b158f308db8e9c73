import { Button } from "@mantine/core";
import { useState, type ReactNode, type SyntheticEvent } from "react";
import { Refusal } from "../api/client.ts";
import { t } from "../text/text.ts";
import { Failed } from "./States.tsx";

interface Fields {
  /** What the button says. */
  action: string;
  /** What happens; a refusal is shown above the button. */
  submit: () => Promise<void>;
  children: ReactNode;
  color?: string;
}

/** Fields with one button, which works once at a time. */
export function Form({ action, submit, children, color }: Fields) {
  const [isBusy, setIsBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const send = async () => {
    if (isBusy) {
      return;
    }
    setIsBusy(true);
    setRefusal(null);
    try {
      await submit();
    } catch (error) {
      setRefusal(Refusal.of(error));
    } finally {
      setIsBusy(false);
    }
  };
  const onSubmit = (event: SyntheticEvent) => {
    event.preventDefault();
    void send();
  };
  return (
    <form onSubmit={onSubmit}>
      {children}
      {refusal === null ? null : <Failed refusal={refusal} />}
      <Button
        type="submit"
        loading={isBusy}
        aria-label={isBusy ? t("form.busy", { action }) : action}
        {...(color === undefined ? {} : { color })}
      >
        {action}
      </Button>
    </form>
  );
}
