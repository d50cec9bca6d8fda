"""The settings of reports."""

from pydantic import Field

from shared.settings import File, ServiceSettings


class ReportsSettings(ServiceSettings):
    chromium_path: File | None = Field(
        None, description="a Chromium that prints the PDFs (default: Playwright's own, else one found on the machine)"
    )
    storage_url: str | None = Field(
        None,
        pattern=r"^file:///\S+$",
        description="a directory of its own for issued PDFs, as file:///path (default: `reports` in the data folder)",
    )

    @property
    def storage(self) -> str:
        return self.storage_url or (self.data_dir / "reports").absolute().as_uri()
