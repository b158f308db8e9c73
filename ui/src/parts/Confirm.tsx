import { Button } from "@mantine/core";
import { useState, type ReactNode } from "react";
import { Refusal } from "../api/client.ts";
import { t } from "../text/text.ts";
import { Failed } from "./States.tsx";
import { Dialog } from "./Dialog.tsx";

interface Question {
  title: string;
  /** What will happen, in numbers. */
  children: ReactNode;
  action: string;
  /** What reduces risk has the focus on the act, what adds risk on Cancel. */
  isSafe: boolean;
  isReady?: boolean;
  color?: string;
  onClose: () => void;
  /** The act, with a key that stays the same however often it is clicked. */
  act: (key: string) => Promise<void>;
}

/** Ask before what can not be undone. Escape closes it and nothing else. */
export function Confirm({ title, children, action, isSafe, isReady = true, color = "red.9", onClose, act }: Question) {
  const [key] = useState(() => crypto.randomUUID());
  const [isBusy, setIsBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const run = async () => {
    if (isBusy) {
      return;
    }
    setIsBusy(true);
    setRefusal(null);
    try {
      await act(key);
      onClose();
    } catch (error) {
      setRefusal(Refusal.of(error));
      setIsBusy(false);
    }
  };
  return (
    <Dialog onClose={onClose} title={title}>
      {children}
      {refusal === null ? null : <Failed refusal={refusal} />}
      <div className="row end">
        <Button variant="default" onClick={onClose} data-autofocus={isSafe ? undefined : true}>
          {t("confirm.cancel")}
        </Button>
        <Button
          color={color}
          loading={isBusy}
          disabled={!isReady}
          onClick={() => void run()}
          data-autofocus={isSafe ? true : undefined}
        >
          {action}
        </Button>
      </div>
    </Dialog>
  );
}
