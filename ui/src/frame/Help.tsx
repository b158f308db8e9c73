import { Checkbox } from "@mantine/core";
import { setDisplay, useDisplay } from "../live/display.ts";
import { t, type Key } from "../text/text.ts";
import { Dialog } from "../parts/Dialog.tsx";

const KEYS: readonly (readonly [string, Key])[] = [
  ["?", "keys.help"],
  ["/  Ctrl+K", "keys.find"],
  ["g n", "page.now"],
  ["g s", "page.strategies"],
  ["g i", "page.signals"],
  ["g o", "page.orders"],
  ["g h", "page.sessions"],
  ["g r", "page.risk"],
  ["g y", "page.system"],
  ["g ,", "page.settings"],
  ["j k Enter", "keys.rows"],
  ["Ctrl+Enter", "keys.submit"],
  ["Esc", "keys.escape"],
  ["Esc Esc  Shift+Esc", "keys.emergency"],
];

/** The keyboard map. */
export default function Help({ onClose }: { onClose: () => void }) {
  const { hasLetters } = useDisplay();
  return (
    <Dialog onClose={onClose} title={t("keys.title")}>
      <table>
        <tbody>
          {KEYS.map(([keys, name]) => (
            <tr key={keys}>
              <th scope="row">
                <kbd>{keys}</kbd>
              </th>
              <td>{t(name)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Checkbox
        mt="md"
        label={t("settings.letters")}
        checked={hasLetters}
        onChange={(event) => setDisplay({ hasLetters: event.currentTarget.checked })}
      />
    </Dialog>
  );
}
