// One polite live region for the whole page: a region that arrives together with its text is often not read.
export default function ({ data, parentElement }) {
  if (parentElement.maruSaid === data.text) return;
  parentElement.maruSaid = data.text;
  let region = document.getElementById("maru-live");
  if (!region) {
    region = document.createElement("div");
    region.id = "maru-live";
    region.setAttribute("role", "status");
    region.setAttribute("aria-live", "polite");
    region.className = "maru-visually-hidden";
    document.body.append(region);
  }
  setTimeout(() => { region.textContent = data.text; }, 60);
}
