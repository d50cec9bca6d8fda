// A file dropped on the field is sent as if it had been chosen; everything else works without this script.
const form = document.querySelector("form.drop");
const over = (on) => (event) => { event.preventDefault(); form.classList.toggle("over", on); };
form.addEventListener("dragover", over(true));
form.addEventListener("dragleave", over(false));
form.addEventListener("drop", (event) => {
  over(false)(event);
  if (!event.dataTransfer.files.length) return;
  form.elements.file.files = event.dataTransfer.files;
  form.requestSubmit();
});
