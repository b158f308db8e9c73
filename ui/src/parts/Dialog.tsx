import { Modal } from "@mantine/core";
import type { ReactNode } from "react";
import { t } from "../text/text.ts";

/** What stands above the page until Escape or a choice. Locking the page would need styles without a nonce. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  return (
    <Modal
      opened
      centered
      onClose={onClose}
      title={title}
      lockScroll={false}
      closeButtonProps={{ "aria-label": t("confirm.close") }}
      transitionProps={{ duration: 0 }}
    >
      {children}
    </Modal>
  );
}
